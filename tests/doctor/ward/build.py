# SPDX-License-Identifier: MIT
"""Makes of a patient's source and a variant a command, or says what is missing for that. Programs that were built stay in the
directory given, and are built again when a source is younger."""

import glob
import os
import shutil
import subprocess

import releases

SOURCE = os.path.dirname(os.path.abspath(__file__))

# What stands behind the dash of a variant; before it stands the compiler.
NATIVE = {
    '': ['-O2', '-g'],
    'fp': ['-O2', '-g', '-fno-omit-frame-pointer'],
    'O0': ['-O0', '-g'],
    'O3': ['-O3', '-g'],
    'noinline': ['-O2', '-g', '-fno-inline'],
    'static': ['-O2', '-g', '-static'],
    'nopie': ['-O2', '-g', '-no-pie'],
    'lto': ['-O2', '-g', '-flto'],
    'dwarf4': ['-O2', '-gdwarf-4'],
    'sections': ['-O2', '-g', '-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections'],
    'stripped': ['-O2', '-g'],
    'staticstripped': ['-O2', '-g', '-static'],
    'debuglink': ['-O2', '-g'],
}
GO = {
    'plain': [],
    'sw': ['-ldflags', '-s -w'],
    'stripped': [],
    'trimpath': ['-trimpath'],
    'pie': ['-buildmode=pie'],
    'cgo': [],
    'noinline': ['-gcflags=-l'],
    'noopt': ['-gcflags=-N -l'],
}
RUST = {
    'g': ['-O', '-g'],
    'O': ['-O'],
    'debug': ['-g'],
    'stripped': ['-O', '-g'],
    'static': ['-O', '-g', '-C', 'target-feature=+crt-static'],
    'fp': ['-O', '-g', '-C', 'force-frame-pointers=yes'],
    'abort': ['-O', '-g', '-C', 'panic=abort'],
}


class Missing(Exception):
    """What would be needed, in words."""


class Broken(Exception):
    """What the compiler said."""


def have(program):
    found = shutil.which(program)
    if not found:
        raise Missing(f'{program} is not installed')
    return found


def ran(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                          timeout=600, check=False, **options)
    if done.returncode:
        raise Broken(' '.join(command) + '\n' + done.stdout)


def older(target, sources):
    return not os.path.exists(target) or any(os.path.getmtime(s) > os.path.getmtime(target) for s in sources)


def stripped(program, debug_link):
    """The program beside, without its names. The one with them is what the runner asks which line an address is."""
    bare = program + '.bare'
    if older(bare, [program]):
        have('strip')
        if debug_link:
            ran(['objcopy', '--only-keep-debug', program, bare + '.debug'])
            ran(['objcopy', '--strip-all', '--add-gnu-debuglink=' + bare + '.debug', program, bare])
        else:
            ran(['strip', '-s', '-o', bare, program])
    return bare


def finished(program, option):
    if option in ('stripped', 'staticstripped', 'debuglink'):
        return stripped(program, option == 'debuglink')
    return program


def native(where, source, variant, compilers, more, libraries=()):
    compiler, _, option = variant.partition('-')
    program = os.path.join(where, os.path.basename(source).replace('.', '-') + '-' + variant)
    cc = have(compilers[compiler])
    flags = NATIVE[option] + more
    if older(program, [source, *glob.glob(os.path.join(SOURCE, 'c', '*.h'))]):
        ran([cc, *flags, '-Wall', '-D_GNU_SOURCE', source, '-o', program, '-pthread', *libraries])
    return finished(program, option)


def build_c(where, source, variant):
    more, libraries = [], []
    if source.endswith('uv.c'):
        more, libraries = ['-I' + os.path.join(where, 'packages', 'usr', 'include')], ['-l:libuv.so.1']
        try:
            ran(['cc', *more, '-include', 'uv.h', '-x', 'c', os.devnull, '-o', os.devnull, '-shared', *libraries])
        except (Broken, OSError):
            raise Missing('libuv1-dev is not installed') from None
    return native(where, source, variant, {'gcc': 'gcc', 'clang': 'clang'}, more, libraries)


def build_cxx(where, source, variant):
    return native(where, source, variant, {'gcc': 'g++', 'clang': 'clang++'}, ['-std=c++17', '-U_GNU_SOURCE'])


def toolchain(where, release):
    """The go of that release, or the one that is installed, and the name that what it builds begins with."""
    if not release:
        return have('go'), 'go-'
    go = releases.go(os.path.join(where, 'releases'), release)
    if not go:
        raise Missing(f'Go {release} was not fetched')
    return go, f'go-{release}-'


def build_go(where, source, variant):
    variant, _, release = variant.partition('@')
    go, name = toolchain(where, release)
    program = os.path.join(where, name + variant)
    sources = sorted(glob.glob(os.path.join(SOURCE, 'go', '*.go')))
    if variant == 'cgo':
        have('gcc')
        sources.append(os.path.join(SOURCE, 'go', 'cgo', 'cgo.go'))
    if older(program, sources):
        beside = program + '.d'     # files of one package have to stand in one directory
        os.makedirs(beside, exist_ok=True)
        for file in sources:
            shutil.copy(file, beside)
        environment = dict(os.environ, GO111MODULE='off', GOFLAGS='', GOTOOLCHAIN='local', GOCACHE=os.path.join(where, 'go-cache'),
                           CGO_ENABLED='1' if variant == 'cgo' else '0')
        environment.pop('GOROOT', None)
        ran([go, 'build', *GO[variant], '-o', program, *map(os.path.basename, sources)], cwd=beside, env=environment)
    return finished(program, variant)


def build_rust(where, source, variant):
    rustc = have('rustc')
    program = os.path.join(where, 'rust-' + variant)
    if older(program, [source]):
        ran([rustc, '--edition', '2021', *RUST[variant], '-o', program, source])
    return finished(program, variant)


# What makes an interpreter write a map of its functions for perf. Java does so when it is asked, and needs this for its frames.
PERF = {
    'python': ['-X', 'perf'],
    'node': ['--perf-basic-prof'],
    'java': ['-XX:+PreserveFramePointer'],
}


def python(where, release):
    if not release:
        return [subprocess.run([have('python3'), '-c', 'import sys; print(sys.executable)'], capture_output=True, text=True,
                               check=True).stdout.strip()]
    words = releases.python(os.path.join(where, 'releases'), release)
    if not words:
        raise Missing(f'Python {release} was not fetched')
    return words


def java(where, source):
    compiler, runner = have('javac'), have('java')
    classes = os.path.join(where, 'java')
    if older(os.path.join(classes, os.path.basename(source)[:-len('.java')] + '.class'), [source]):
        ran([compiler, '-d', classes, source])
    return [runner, '-Xmx64m', '-Xshare:auto', '-cp', classes]


def interpreted(where, language, source, variant):
    variant, _, release = variant.partition('@')
    options = PERF[language] if variant in ('perf', 'frames') else []
    if language == 'java':
        return [*java(where, source), *options, os.path.basename(source)[:-len('.java')]]
    words = [*python(where, release), '-B'] if language == 'python' else [have('node')]
    return [*words, *options, source]


def command(where, language, source, variant):
    """The words to run, and the file with the names in it if they were taken away, or None."""
    path = os.path.join(SOURCE, language, source)
    if language in PERF:
        return interpreted(where, language, path, variant), None
    builders = {'c': build_c, 'cxx': build_cxx, 'go': build_go, 'rust': build_rust}
    program = builders[language](where, path, variant)
    return [program], program[:-len('.bare')] if program.endswith('.bare') else None
