# SPDX-License-Identifier: MIT
"""Real programs, unchanged, as Debian has them: from the system, or from packages that are fetched by apt and laid out in a
directory without being installed: a package of a server would start it. Among them the Prometheus of tests/doctor/prometheus.sh."""

import glob
import os
import shutil
import socket
import subprocess
import sys

import build

SOURCE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ['nginx', 'libnginx-mod-stream', 'lighttpd', 'lighttpd-mod-openssl', 'haproxy', 'caddy', 'busybox', 'socat', 'libuv1-dev', 'prometheus']


class Server:
    """command; port; how it is asked; bytes of a body are found at path."""

    def __init__(self, command, port, path='/file.bin', tls=False, gzip=False, raw=False, environment=None):
        self.command, self.port, self.path, self.tls, self.gzip, self.raw = command, port, path, tls, gzip, raw
        self.environment = environment or {}


def fetch(where):
    """Lays the packages out below where; what of them stands there already is kept. Without apt the patients are skipped."""
    try:
        laid_out(where)
    except (OSError, subprocess.SubprocessError) as error:
        print(f'no packages of servers could be fetched: {error}')


def laid_out(where):
    archives = os.path.join(where, 'archives')
    mark, wanted = os.path.join(where, 'complete'), ' '.join(PACKAGES)
    if os.path.exists(mark):
        with open(mark, encoding='ascii') as file:
            if file.read() == wanted:
                return
    os.makedirs(os.path.join(archives, 'partial'), exist_ok=True)
    subprocess.run(['apt-get', '-q', '-y', '-o', 'Dir::Cache::archives=' + archives, '-o', 'Debug::NoLocking=1',
                    '--no-install-recommends', '--download-only', 'install', *PACKAGES],
                   check=True, stdout=subprocess.DEVNULL)
    for archive in glob.glob(os.path.join(archives, '*.deb')):
        subprocess.run(['dpkg-deb', '-x', archive, where], check=True)
    with open(mark, 'w', encoding='ascii') as file:
        file.write(wanted)


def program(where, name):
    """Its path, and what it needs in the environment to find libraries that were laid out with it; or None."""
    path = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', '/sbin'])
    found = shutil.which(name, path=path)
    if found:
        return found, {}
    for place in 'usr/sbin', 'usr/bin', 'bin', 'sbin':
        there = os.path.join(where, place, name)
        if os.access(there, os.X_OK):
            libraries = [d for d in glob.glob(os.path.join(where, 'usr/lib/*-linux-gnu*')) if os.path.isdir(d)]
            return there, {'LD_LIBRARY_PATH': ':'.join(libraries)}
    return None


def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


def configured(name, where, **values):
    with open(os.path.join(SOURCE, 'conf', name), encoding='ascii') as file:
        text = file.read()
    for key, value in values.items():
        text = text.replace('@' + key + '@', str(value))
    path = os.path.join(where, name)
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)
    return path


def stream_module(at, packages):
    """The path of nginx's module, which may have been laid out although nginx itself is the system's."""
    for place in os.path.join(os.path.dirname(at), '..'), os.path.join(packages, 'usr'):
        path = os.path.abspath(os.path.join(place, 'lib', 'nginx', 'modules', 'ngx_stream_module.so'))
        if os.path.exists(path):
            return path
    raise build.Missing('libnginx-mod-stream is not installed')


def make(name, mode, packages, where, origin):
    """The server `name` in that mode, working in the directory where, which holds file.bin, certificate.pem and key.pem."""
    at = program(packages, name)
    if not at:
        raise build.Missing(f'{name} is not installed')
    port = free_port()
    found, environment = at
    values = {'DIR': where, 'PORT': port, 'ORIGIN': origin.port if origin else 0}
    options = {'tls': mode == 'tls', 'gzip': mode == 'gzip', 'environment': environment}
    if name == 'nginx' and mode == 'stream':
        config = configured('nginx-stream.conf', where, MODULE=stream_module(found, packages), **values)
        return Server([found, '-p', where, '-c', config, '-e', 'stderr'], port, **options)
    if name == 'nginx':
        values['SENDFILE'] = 'on' if mode == 'on' else 'off'
        values['TLS'] = f'ssl_certificate {where}/certificate.pem; ssl_certificate_key {where}/key.pem;' if mode == 'tls' else ''
        values['SSL'] = 'ssl' if mode == 'tls' else ''
        values['GZIP'] = 'gzip on; gzip_types *;' if mode == 'gzip' else ''
        values['PLACE'] = f'proxy_pass http://127.0.0.1:{origin.port};' if mode == 'proxy' else ''
        config = configured('nginx.conf', where, **values)
        return Server([found, '-p', where, '-c', config, '-e', 'stderr'], port, **options)
    if name == 'lighttpd':
        values['BACKEND'] = {'write': 'writev', 'tls': 'writev'}.get(mode, 'sendfile')
        values['TLS'] = (f'server.modules += ("mod_openssl")\nssl.engine = "enable"\n'
                         f'ssl.pemfile = "{where}/certificate.pem"\nssl.privkey = "{where}/key.pem"') if mode == 'tls' else ''
        config = configured('lighttpd.conf', where, **values)
        modules = glob.glob(os.path.join(os.path.dirname(found), '..', 'lib', 'lighttpd'))
        return Server([found, '-D', '-f', config] + (['-m', modules[0]] if modules else []), port, **options)
    if name == 'haproxy':
        values['OPTION'] = {'splice': 'option splice-response', 'auto': 'option splice-auto'}.get(mode, '')
        return Server([found, '-db', '-f', configured('haproxy.cfg', where, **values)], port, **options)
    if name == 'caddy':
        environment.update(HOME=where, XDG_DATA_HOME=where, XDG_CONFIG_HOME=where)
        if mode == 'proxy':
            return Server([found, 'run', '--adapter', 'caddyfile', '--config', configured('Caddyfile', where, **values)], port,
                          **options)
        return Server([found, 'file-server', '--root', where, '--listen', f'127.0.0.1:{port}'], port, **options)
    if name == 'busybox':
        return Server([found, 'httpd', '-f', '-p', f'127.0.0.1:{port}', '-h', where], port, **options)
    if name == 'python3':
        return Server([sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '-d', where, str(port)], port, **options)
    if name == 'socat':
        return Server([found, '-u', f'OPEN:{where}/file.bin,rdonly', f'TCP-LISTEN:{port},bind=127.0.0.1'], port, raw=True,
                      **options)
    if name == 'openssl':
        options['tls'] = True
        return Server([found, 's_server', '-accept', f'127.0.0.1:{port}', '-cert', f'{where}/certificate.pem', '-key',
                       f'{where}/key.pem', '-WWW', '-quiet'], port, environment=environment, tls=True)
    raise ValueError(name)
