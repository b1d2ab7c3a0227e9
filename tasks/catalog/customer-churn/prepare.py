"""Builds customer-churn: customers of a telephone company, a random quarter to be foretold."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; customers with the very same record are kept once."""
    customers = packaged.rdataset(raw, "modeldata/wa_churn").drop_duplicates(ignore_index=True)
    customers["churn"] = (customers.pop("churn").astype(str) == "Yes").astype(int)
    split = splitting.random_split(customers, test_share=0.25, seed=29, stratify="churn")
    splitting.write_competition(split, public, private, seed=29)
