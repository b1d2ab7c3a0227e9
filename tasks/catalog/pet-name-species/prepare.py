"""Builds pet-name-species: licensed cats and dogs; all pets of a test name are in test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; one licence once, names in one spelling of upper and lower case."""
    pets = packaged.rdataset(raw, "openintro/seattlepets").drop_duplicates("license_number")
    pets = pets[pets["species"].isin(["Dog", "Cat"]) & pets["animal_name"].notna()]
    pets = pets.assign(name=pets["animal_name"].str.strip().str.title(), is_cat=(pets["species"] == "Cat").astype(int))
    pets = pets[["name", "zip_code", "license_issue_date", "is_cat"]].reset_index(drop=True)
    split = splitting.grouped_split(pets, "name", test_share=0.25, seed=35)
    splitting.write_competition(split, public, private, seed=35)
