"""Time of a decision in a room: 100 personas, 10,000 messages.

python -m tests.benchmarks.bench_thoughts
"""

from __future__ import annotations

import random
import time

import numpy as np

from persona.room.thought_stream import Bid, Event, Rules, ThoughtStream

N_PERSONAS = 100
N_EVENTS = 10_000


def main() -> None:
    """Print the processor time of who is asked and what is decided, in ms."""
    chance = random.Random(0)
    names = [f"p{i}" for i in range(N_PERSONAS)]
    thoughts = ThoughtStream(Rules(speakers=3, turns=1000, per_minute=1000, hops=64))
    for name in names:
        thoughts.join(name, chance.randrange(256))
    times = []
    for number in range(N_EVENTS):
        human = number % 4 == 0
        text = "what do you say, @p7?" if number % 10 == 0 else "what do you say?"
        event = Event(number, "ann" if human else "p0", human, text, number, 0 if human else 1)
        bids = {
            name: Bid(chance.random(), chance.random(), 5 * chance.random(), 99) for name in names
        }
        begun = time.thread_time()
        thoughts.hear(event)
        heard = thoughts.next()
        assert heard
        asked = {name: bids[name] for name in thoughts.asked(heard)}
        between = time.thread_time()
        decision = thoughts.decide(heard, asked)
        ended = time.thread_time()
        times.append((1000 * (ended - between), 1000 * (ended - begun)))
        for turn in decision.speakers:
            thoughts.spoke(turn.persona, number, to_human=human)
    for what, column in zip(
        ("a decision", "with whom to ask"), zip(*times, strict=True), strict=True
    ):
        median, p99, most = np.percentile(column, [50, 99, 100])
        print(f"{what}: median {median:.3f} ms, p99 {p99:.3f} (bar 1), longest {most:.3f}")


if __name__ == "__main__":
    main()
