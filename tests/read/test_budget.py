import time
from dataclasses import replace

from samespace.read.budget import Budget
from samespace.read.protocol import Limits

ENDLESS = Limits(wall_seconds=1e6, cpu_seconds=1_000_000)


def test_a_fresh_budget_is_not_spent():
    assert not Budget(ENDLESS).spent()


def test_processor_time_spends_it():
    budget = Budget(replace(ENDLESS, cpu_seconds=1), share=0.02)
    until = time.process_time() + 0.03
    while time.process_time() < until:
        pass
    assert budget.spent()


def test_wall_time_spends_it_but_not_the_time_of_the_taker():
    budget = Budget(replace(ENDLESS, wall_seconds=0.1), share=0.5)
    for _ in budget.watch(iter("ab")):
        time.sleep(0.06)
    assert not budget.spent()
    time.sleep(0.06)
    assert budget.spent()
