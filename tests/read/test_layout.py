from samespace.read.layout import in_reading_order, union

LINE = 0.02


def box(left, top, right, height=LINE):
    return left, top, right, top + height


def test_rows_come_from_the_top_and_lie_from_left_to_right():
    boxes = [box(0.7, 0.505, 0.8), box(0.1, 0.5, 0.3), box(0.1, 0.1, 0.3), box(0.4, 0.498, 0.5)]
    assert in_reading_order(boxes) == [2, 1, 3, 0]


def test_a_row_that_slopes_stays_one_row():
    boxes = [box(0.1 * i, 0.5 + 0.006 * i, 0.1 * i + 0.08) for i in range(6)]
    assert in_reading_order(boxes[::-1]) == [5, 4, 3, 2, 1, 0]


def test_sums_stay_with_their_names():
    names = [box(0.05, 0.1 * i, 0.05 + 0.04 * (i % 3 + 2)) for i in range(1, 8)]
    sums = [box(0.8, 0.1 * i, 0.9) for i in range(1, 8)]
    order = in_reading_order([*names, *sums])
    assert order == [i for pair in zip(range(7), range(7, 14), strict=True) for i in pair]


def test_columns_of_running_text_come_one_after_the_other():
    heading = box(0.05, 0.02, 0.9, 0.05)
    left = [box(0.05, 0.1 + 0.03 * i, 0.45) for i in range(6)]
    right = [box(0.52, 0.1 + 0.03 * i, 0.93) for i in range(6)]
    footer = box(0.05, 0.9, 0.9)
    boxes = [heading, *(b for pair in zip(left, right, strict=True) for b in pair), footer]
    assert in_reading_order(boxes) == [0, 1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12, 13]


def test_every_box_comes_once():
    boxes = [box(0.03 * (i * 7 % 30), 0.03 * (i * 11 % 30), 0.03 * (i * 7 % 30) + 0.1) for i in range(200)]
    assert sorted(in_reading_order(boxes)) == list(range(200))
    assert in_reading_order([]) == []


def test_union_is_around_all():
    assert union([(0.2, 0.3, 0.4, 0.5), (0.1, 0.4, 0.3, 0.9)]) == (0.1, 0.3, 0.4, 0.9)
