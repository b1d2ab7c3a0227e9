"""The second layer: a booster that is shown, beside the columns, what earlier entries predict of rows they were not fitted on
(Wolpert, Stacked Generalization, 1992). Written by the host from recipes alone: code of a model's could leave signs in its
predictions that tell one fold's labels to another."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from agent.blend import as_columns
from agent.ensemble import stack_link
from agent.portfolio import CAREFUL, FEW_ROWS, RANDOM_SPLITS
from agent.solution import Recipe, Solution, Upon, render
from leaderboard.record import Entry
from tasks.arrays import Arrays, write_table
from tasks.metrics import Metric

OPERATOR = "second_layer"
AT = (0.55, 0.75, 0.9)  # parts of a run's time after which one more is tried
FEWEST, MOST = 3, 8  # entries that it is shown
COLUMNS = 64
CELLS = 30_000_000  # of all columns: the host writes them once more


def due(begun: int, part: float) -> bool:
    """Whether it is time for one more. begun: how many there were; part: of the run's time that is over."""
    return begun < len(AT) and part >= AT[begun]


def second_layer(
    number: int, arrays: Arrays, entries: Sequence[Entry], out_of_fold: Mapping[int, np.ndarray], test: Mapping[int, np.ndarray],
    *, judge: Metric, kind: str, seed: int, foreign: Collection[str] = (),
) -> Solution | None:
    """The solution, its columns written below the run's data; None where predictions of all rows are not there, or too many.

    number: how many there were; out_of_fold, test: entry number -> (n_train,) or (n_train, k), (n_test,) or (n_test, k);
    foreign: blocks that a playbook brought, whose recipes are no more trusted than a model's code."""
    if arrays.final or not arrays.validated.all():
        return None
    done = [entry for entry in entries if entry.status == "ok" and entry.score is not None and entry.number in out_of_fold]
    recipes = {entry.number: Recipe.from_json(entry.params["recipe"]) for entry in done
               if entry.params.get("recipe") and not entry.params.get("upon")}
    sound = [entry for entry in done if entry.number in recipes and not any(map(recipes[entry.number].has, foreign))]
    boosters = [recipes[entry.number] for entry in sound if recipes[entry.number].model == "boosters.lightgbm"]
    width = arrays.prediction_width[0] if arrays.prediction_width else 1
    shown = _best(sound, judge, min(MOST, COLUMNS // width))
    rows = arrays.n_train + arrays.n_test
    if len(shown) < FEWEST or not boosters or rows * (len(arrays.columns) + len(shown) * width) > CELLS:
        return None
    link = stack_link(kind, judge) or "identity"
    columns = as_columns({n: np.concatenate([out_of_fold[n], test[n]]) for n in shown}, link)
    if set(columns) & set(arrays.columns):
        return None
    file = arrays.data / f"upon-{number}.arrow"
    _write(arrays, columns, file)
    params = {} if arrays.n_train > FEW_ROWS else RANDOM_SPLITS if number % 2 else CAREFUL
    plainest = min(boosters, key=lambda recipe: len(recipe.blocks))
    recipe = Recipe(plainest.model, plainest.blocks, params)
    hypothesis = f"What entries {', '.join(map(str, shown))} predict, beside the columns: where each of them errs can be learned"
    return Solution(render(recipe, hypothesis), OPERATOR, hypothesis, recipe.family, shown, recipe, seed + number,
                    upon=Upon(shown, link, tuple(columns), file))


def _best(entries: Sequence[Entry], judge: Metric, most: int) -> tuple[int, ...]:
    """The best entry of each family first, then the best of what is left; in the order of their numbers."""
    ranked = sorted(entries, key=lambda entry: -judge.sign * (entry.score or 0.0))
    firsts = [next(entry for entry in ranked if entry.family == family) for family in dict.fromkeys(e.family for e in ranked)]
    others = [entry for entry in ranked if entry not in firsts]
    return tuple(sorted(entry.number for entry in [*firsts, *others][:most]))


def _write(arrays: Arrays, columns: Mapping[str, np.ndarray], file: Path) -> None:
    with pa.memory_map(str(arrays.data / "features.arrow")) as source:
        table = pa.ipc.open_file(source).read_all()
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values))
        write_table(table, file)
