# SPDX-License-Identifier: MIT
"""Further releases of the languages, as other suites of Debian have them: fetched by apt and laid out in a directory, each with
all it needs, without being installed. One Go for each layout of its line table, and those around which io.Copy changed."""

import os
import subprocess

FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'vm', 'fetch.sh')
# LANGUAGE-RELEASE: the suite, and the package
RELEASES = {
    'go-1.21': ('bookworm-backports', 'golang-1.21-go'),
    'go-1.22': ('bookworm-backports', 'golang-1.22-go'),
    'go-1.24': ('trixie', 'golang-1.24-go'),
    'go-1.27': ('trixie-backports', 'golang-1.27-go'),
    'python-3.13': ('trixie', 'python3.13'),
}


def of(language):
    return [name.partition('-')[2] for name in RELEASES if name.startswith(language + '-')]


def fetch(where, names):
    """Lays those releases out below where; what stands there already is kept. The patients of what cannot be had are skipped."""
    for name in names:
        suite, package = RELEASES[name]
        try:
            done = subprocess.run([FETCH, where, suite, name, package], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True, errors='replace', check=False)
            why = (done.stderr.strip().splitlines() or ['no reason is given'])[-1] if done.returncode else None
        except OSError as error:
            why = error
        if why:
            print(f'{name} could not be fetched: {why}')


def go(where, release):
    """The path of that release's go, or None."""
    path = os.path.join(where, f'go-{release}', 'usr', 'lib', f'go-{release}', 'bin', 'go')
    return path if os.access(path, os.X_OK) else None


def python(where, release):
    """The words before the options of that release's Python, or None. It needs the C library that was laid out with it, so in a
    mount namespace of its own that tree stands in the place of /usr."""
    tree = os.path.join(where, f'python-{release}')
    if not os.path.exists(os.path.join(tree, 'usr', 'bin', f'python{release}')):
        return None
    return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0/usr" /usr && exec "$@"', tree, f'/usr/bin/python{release}']
