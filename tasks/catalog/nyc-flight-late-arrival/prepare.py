"""Builds nyc-flight-late-arrival: flights with the hour's weather and the plane; a quarter of the days is test."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting

KNOWN_AFTER_DEPARTURE = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
LATE_MINUTES = 15


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: flights that arrived, `late` when 15 minutes or more behind schedule."""
    flights = packaged.rdataset(raw, "nycflights13/flights")
    flights = flights[flights["arr_delay"].notna()]
    flights = flights.assign(
        late=(flights["arr_delay"] >= LATE_MINUTES).astype(int),
        date=pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d"),
    )
    joined = flights.merge(_weather(raw), on=["origin", "time_hour"], how="left")
    joined = joined.merge(_planes(raw), on="tailnum", how="left")
    features = joined.drop(columns=[*KNOWN_AFTER_DEPARTURE, "year", "time_hour"])
    split = splitting.grouped_split(features, "date", test_share=0.25, seed=11)
    splitting.write_competition(split, public, private, seed=11)


def _weather(raw: Path) -> pd.DataFrame:
    weather = packaged.rdataset(raw, "nycflights13/weather").drop(columns=["year", "month", "day", "hour"])
    return weather.drop_duplicates(["origin", "time_hour"])


def _planes(raw: Path) -> pd.DataFrame:
    planes = packaged.rdataset(raw, "nycflights13/planes").drop(columns="speed")
    return planes.rename(columns={"year": "plane_year", "type": "plane_type"})
