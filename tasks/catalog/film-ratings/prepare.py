"""Builds film-ratings: people's ratings of films; the last fifth of each person's is test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: the three tables joined."""
    with packaged.opened(raw, "recbole") as read:
        given, people, films = (packaged.csv(read(f"recbole/dataset_example/ml-100k/ml-100k.{part}"), sep="\t")
                                for part in ("inter", "user", "item"))
    given, people, films = (table.rename(columns=lambda name: name.split(":")[0]) for table in (given, people, films))
    ratings = given.merge(people, on="user_id").merge(films, on="item_id")
    ratings["timestamp"] = ratings["timestamp"].astype(int)
    ratings = ratings.sort_values(["user_id", "timestamp"], kind="stable", ignore_index=True)
    place = ratings.groupby("user_id").cumcount() / ratings.groupby("user_id")["item_id"].transform("size")
    split = splitting.chosen_split(ratings, place >= 0.8, seed=53)
    splitting.write_competition(split, public, private, seed=53)
