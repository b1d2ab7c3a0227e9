"""Builds tweet-device: tweets in the order of time; those from October 2016 on are test."""

from pathlib import Path

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files."""
    tweets = packaged.rdataset(raw, "dslabs/trump_tweets")
    tweets = tweets[tweets["source"].isin(["Twitter for Android", "Twitter for iPhone"])]
    tweets = tweets[tweets["created_at"].between("2015-03-01", "2017-03-25")].sort_values("created_at")
    tweets = tweets.drop_duplicates("text").assign(android=lambda rows: (rows["source"] == "Twitter for Android").astype(int))
    tweets = tweets[["text", "created_at", "retweet_count", "favorite_count", "android"]]
    split = splitting.time_split(tweets, "created_at", test_from="2016-10-01", seed=34)
    splitting.write_competition(split, public, private, seed=34)
