"""What a stack measured: nanoseconds by stage, and how busy the wire was."""

from msgspec import Struct, field

STAGES = ("decode", "learn", "quote", "diff", "sign", "send")
NS_PER_US = 1e3


class Samples(Struct):
    """`stages` of the frames that led to orders; `whole`: frame received to last byte written."""

    stages: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in STAGES})
    whole: list[int] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0
    conflated: int = 0
    """Snapshots that a newer one overtook before anybody looked."""
    pauses: list[int] = field(default_factory=list)
    """Of the garbage collector."""

    def note(self, **spent: int) -> None:
        for name, taken in spent.items():
            self.stages[name].append(taken)


class Percentiles(Struct, frozen=True):
    count: int
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float


class Row(Struct, frozen=True):
    """One stack at one rate. `load` 1: a busy market."""

    stack: str
    load: int
    frames_per_s: float
    tick_to_order: Percentiles
    stages: dict[str, Percentiles]
    conflated: int
    gc_max_us: float


def percentiles(taken: list[int]) -> Percentiles:
    ranked = sorted(taken) or [0]

    def at(share: float) -> float:
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] / NS_PER_US

    return Percentiles(len(taken), at(0.5), at(0.9), at(0.99), at(1.0))


def row(stack: str, load: int, samples: Samples) -> Row:
    return Row(
        stack=stack,
        load=load,
        frames_per_s=samples.frames / max(samples.seconds, 1e-9),
        tick_to_order=percentiles(samples.whole),
        stages={name: percentiles(taken) for name, taken in samples.stages.items()},
        conflated=samples.conflated,
        gc_max_us=max(samples.pauses, default=0) / NS_PER_US,
    )
