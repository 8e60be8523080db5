"""Lives that broke a promise, by the fewest of their steps: what seeds of the plain driver found.

Steps say what happened whatever the driver draws by now, where a seed would tell another story.
"""

import pytest

from tests.core.order_fuzz import replay
from tests.core.order_rules import Step

FOUND: dict[str, tuple[Step, ...]] = {
    # 2007095: an audit of before a gap told, after that of the new connection, of an order that
    # had ended between the two, unheard.
    "an older audit": (
        ("cancel all", ()),
        ("step", (0, 6, False)),
        ("quote", ([(4, 4)], [], True)),
        ("audit", ()),
        ("disconnect", ()),
        ("execute", (0, "done")),
        ("step", (0, 4, False)),
        ("end", (0, "selfTradeCanceled")),
        ("reconnect", ()),
        ("step", (1, 6, False)),
        ("step", (1, 6, False)),
        ("step", (0, 6, False)),
    ),
    # 3000261: everything was to be cancelled while a modify was in doubt; the doubt's end, that it
    # had never happened, was not taken, and half of it was waited for.
    "cancel all in doubt": (
        ("quote", ([(2, 2)], [(4, 0), (3, 4)], True)),
        ("execute", (4, "closes first")),
        ("wait", (16000,)),
        ("quote", ([(4, 2), (1, 4)], [(1, 3), (2, 0)], True)),
        ("wait", (7000,)),
        ("cancel all", ()),
        ("wait", (7000,)),
        ("requote all told", ([(2, 1)], [(3, 2), (2, 3)])),
        ("end", (6, "canceled")),
    ),
    # 2013574: a fill that a silent stream kept to itself was older than a minute before the one
    # that the same stream told next, and what is asked for began there.
    "a silent stream that speaks again": (
        ("quote", ([(4, 4), (1, 1)], [(4, 1)], True)),
        ("execute", (7, "done")),
        ("mute", (True,)),
        ("take", (5, 2)),
        ("wait", (16000,)),
        ("mute", (False,)),
        ("wait", (7000,)),
        ("wait", (16000,)),
        ("wait", (7000,)),
        ("wait", (16000,)),
        ("take", (0, 4)),
    ),
    # 4002467: news of the last modify but one, that its target was gone, came after news that the
    # last one's was, and was taken for the end of the last one's doubt.
    "news of an older modify": (
        ("quote", ([(1, 2)], [], True)),
        ("execute", (0, "done")),
        ("answer", (0,)),
        ("update", (0, False)),
        ("quote", ([(2, 2)], [], True)),
        ("execute", (0, "done")),
        ("answer", (0,)),
        ("quote", ([(1, 2)], [], True)),
        ("end", (0, "canceled")),
        ("execute", (0, "done")),
        ("answer", (0,)),
        ("update", (2, False)),
        ("update", (1, False)),
    ),
    # 4200098: news that a replaced id rested, held up until its successor had ended and then cut
    # off from that of its end by a gap; each audit found it missing and left it as it was.
    "an id that outlived its successor": (
        ("quote", ([], [(2, 0)], True)),
        ("execute", (0, "done")),
        ("answer", (0,)),
        ("quote", ([], [(3, 3)], True)),
        ("execute", (0, "done")),
        ("answer", (0,)),
        ("quote", ([], [(1, 4)], True)),
        ("execute", (0, "refused aloud")),
        ("answer", (0,)),
        ("update", (0, False)),
        ("disconnect", ()),
    ),
    # By reading: the venue's word that an order rests under its old id, so its modify in doubt
    # never happened, came with the news that this id had ended meanwhile.
    "the end of a doubt, and of its order": (
        ("quote", ([(2, 2)], [], True)),
        ("execute", (0, "done")),
        ("answer", (0,)),
        ("quote", ([(4, 2)], [], True)),
        ("wait", (7000,)),
        ("resolve", ()),
        ("step", (0, 2, False)),
        ("end", (0, "canceled")),
        ("update", (0, False)),
        ("update", (0, False)),
    ),
}


@pytest.mark.parametrize("steps", FOUND.values(), ids=FOUND.keys())
def test_a_life_that_broke_a_promise_breaks_it_no_more(steps: tuple[Step, ...]) -> None:
    assert replay(steps) == ""
