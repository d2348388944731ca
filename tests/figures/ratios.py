# SPDX-License-Identifier: MIT
"""How a ratio of one run is judged (DESIGN.md section 8), and written into the README, for the programs that print figures."""

import os
import platform
import random
import re
import statistics

ROUNDS_TO_JUDGE = 21
QUIET = 0.06	# of a CPU, that others use in a quiet round
README = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'README.md')


def busy():
    """CPU s that were used since boot, by all."""
    with open('/proc/stat', encoding='ascii') as stat:
        user, nice, system, _, _, irq, softirq, steal = (int(word) for word in stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')


def quietest(rounds, others):
    """Which rounds are kept, of those that were done: for the CPU that others used in them alone."""
    return sorted(sorted(range(len(others)), key=others.__getitem__)[:rounds])


def interval(values):
    """The bootstrap's 95 % of the median; the same of the same values every time."""
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def judged(at_most, ratios, control):
    """Whether the median is within the figure, or the interval reaches it and the control's is no narrower."""
    if len(ratios) < ROUNDS_TO_JUDGE:
        return f'at most {at_most}: too few rounds to judge (of {ROUNDS_TO_JUDGE})'
    (low, high), (control_low, control_high) = interval(ratios), interval(control)
    holds = statistics.median(ratios) <= at_most or (low <= at_most and control_high - control_low >= high - low)
    return f'at most {at_most}: {"holds" if holds else "MISSED"}'


def shown(ratios):
    low, high = interval(ratios)
    return f'{statistics.median(ratios):5.3f} (95 % in {low:.3f}-{high:.3f})'


def in_table(ratios, control):
    """As it stands in a table: the A/A control is the baseline of the same rounds over itself."""
    return f'{shown(ratios)}; A/A {"-".join(f"{end:.3f}" for end in interval(control))}'.replace('95 % in ', '')


def write_readme(mark, head, table, rounds, more):
    """The table, and how it was measured, between the two comments of that mark. more: the sentences behind it."""
    with open(README, encoding='utf-8') as page:
        text = page.read()
    lines = ['| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    lines += ['| ' + ' | '.join(row) + ' |' for row in table]
    lines += ['', f'Medians of {rounds} interleaved rounds on {os.cpu_count()} CPUs, Linux {platform.release().split("-", maxsplit=1)[0]}.', *more, '']
    text = re.sub(f'(?<=<!-- {mark}:begin -->\n).*?(?=<!-- {mark}:end -->)', lambda _: '\n'.join(lines), text, flags=re.DOTALL)
    with open(README, 'w', encoding='utf-8') as page:
        page.write(text)
