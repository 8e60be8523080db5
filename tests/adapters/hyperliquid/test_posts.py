"""Each request over the websocket ends once: by an answer, a refusal beside it, or its loss."""

from mm.adapters.hyperliquid.posts import Posts
from mm.adapters.hyperliquid.wire import PostResponse


async def test_a_refusal_beside_the_answers_ends_the_request_that_it_names() -> None:
    """Else it was in doubt until its timeout, and asked after by REST."""
    posts = Posts(60.0)
    told: list[PostResponse] = []
    lost: list[str] = []
    first = posts.expect(told.append, lost.append)
    second = posts.expect(told.append, lost.append)

    posts.on_error(f"too many pending post requests id={second}")
    posts.on_error(f"too many pending post requests id={second}")
    posts.on_error("Already subscribed: {}")
    posts.on_error("too many pending post requests id=soon")

    (refusal,) = told
    assert refusal.type == "error"
    assert bytes(refusal.payload) == b'"too many pending post requests id=2"'
    assert len(posts) == 1
    posts.lose(first, "the end")
    assert lost == ["the end"]
