"""Builds hotel-room-rate: bookings in the order of arrival; those from June 2017 on are test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; exact repeats (groups) are kept once."""
    bookings = packaged.rdataset(raw, "modeldata/hotel_rates").drop(columns="arrival_date_num")
    bookings = bookings.drop_duplicates(ignore_index=True)
    split = splitting.time_split(bookings, "arrival_date", test_from="2017-06", seed=26)
    splitting.write_competition(split, public, private, seed=26)
