"""Between the threads: nothing is lost or turned round, and never more is held than allowed."""

import threading

from samespace.index.channel import Channel


def through(channel: Channel[int], weights: list[int]) -> tuple[list[int | None], int]:
    """Numbers put by one thread and taken by this one: what came, and the most that was held."""

    def put() -> None:
        for number, weight in enumerate(weights):
            channel.put(number, weight)

    thread = threading.Thread(target=put)
    thread.start()
    came, held = [], 0
    for _ in weights:
        held = max(held, channel._weight)
        came.append(channel.get(60.0))
    thread.join()
    return came, held


def test_order_is_kept_and_bounds_hold() -> None:
    weights = [5, 1, 40, 3, 3, 9, 100, 1] * 50
    came, held = through(Channel(3, 10), weights)
    assert came == list(range(len(weights)))
    assert held <= 100, "a heavy one goes by itself"
    assert through(Channel(1000, 10), [3] * 200)[1] <= 10


def test_it_is_full_by_number() -> None:
    channel: Channel[int] = Channel(2, 10**9)
    channel.put(0)
    channel.put(1)
    third = threading.Thread(target=channel.put, args=(2,))
    third.start()
    third.join(0.1)
    assert third.is_alive()
    assert [channel.get(60.0) for _ in range(3)] == [0, 1, 2]
    third.join()
    assert channel.get(0.0) is None


def test_whoever_waits_goes_on_when_it_is_closed() -> None:
    channel: Channel[int] = Channel(1, 10)
    channel.put(0)
    waiting = threading.Thread(target=channel.put, args=(1,))
    waiting.start()
    channel.close()
    waiting.join(60.0)
    assert not waiting.is_alive()
    channel.put(2)
    assert channel.get(0.0) is None
