"""The environment that Kaggle's processes are given: these names and nothing else of ours."""

from collections.abc import Mapping

SYSTEM = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CONFIG_HOME")
KAGGLE = ("KAGGLE_API_ENVIRONMENT", "KAGGLE_CONFIG_DIR", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN")
NETWORK = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
           "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def kaggle_environment(source: Mapping[str, str]) -> dict[str, str]:
    """What of `source` Kaggle's client needs. Towards a host of one's own the proxy is the host itself
    (KAGGLE_API_ENVIRONMENT=LOCALHOST, http_proxy=its URL), so nothing may be exempt from it."""
    chosen = {name: source[name] for name in (*SYSTEM, *KAGGLE, *NETWORK) if name in source}
    if is_own_host(chosen):
        chosen = {name: value for name, value in chosen.items() if name.lower() != "no_proxy"}
    return chosen


def is_own_host(environment: Mapping[str, str]) -> bool:
    """Whether Kaggle's client is pointed at a host of one's own (`medalist host env`) instead of Kaggle."""
    return environment.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST"
