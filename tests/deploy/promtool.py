"""A site's metrics minute by minute, as `promtool test rules` reads them, and what fires on them."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from deploy.lock import ROOT
from tvs.server.states import OUTCOMES, REJECTIONS, STATES
from tvs.status.model import RestartReason, SlotState
from tvs.tls.clienthello import OfferedVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

RULES = ROOT / "deploy" / "prometheus" / "tvs.rules.yml"
TARGET = {"instance": "tvs1:9445", "job": "tvs"}
DAY = 86_400
QUERIES_PER_MINUTE = 0.12 / 60
"""Of one phone: a site of 500 asks some 60 times an hour."""

Labels = tuple[tuple[str, str], ...]

_COUNTERS: Sequence[tuple[str, Mapping[str, str]]] = [
    *(("tvs_connections_closed_total", {"outcome": outcome}) for outcome in OUTCOMES),
    *(("tvs_connections_rejected_total", {"reason": reason}) for reason in REJECTIONS),
    *(("tvs_tls_handshakes_refused_total", {"offered": offered}) for offered in OfferedVersion),
    *(("tvs_worker_restarts_total", {"reason": reason}) for reason in RestartReason),
    ("tvs_requests_total", {"type": "query_cert", "result": "trusted", "source": "db"}),
    ("tvs_requests_total", {"type": "query_cert", "result": "trusted", "source": "ctl"}),
    ("tvs_requests_total", {"type": "query_cert", "result": "not_found", "source": "none"}),
    ("tvs_fleet_dropped_total", {}),
]
"""Counters that exist from the start."""
_GAUGES: Sequence[tuple[str, Mapping[str, str], float]] = [
    ("up", {}, 1),
    *(("tvs_workers", {"state": state}, 2 if state is SlotState.RUNNING else 0) for state in SlotState),
    *(("tvs_connections", {"state": state}, 1) for state in STATES),
    ("tvs_connections_limit", {"reason": "connections"}, 10_000),
    ("tvs_connections_limit", {"reason": "half_open"}, 2_000),
    ("tvs_cache_certificates", {"cache": "db"}, 12),
    ("tvs_cache_certificates", {"cache": "ctl"}, 0),  # a cluster in non-secure mode
    ("tvs_list_signer_trusted", {"name": "CTLFile.tlv"}, 1),
    ("tvs_list_signer_trusted", {"name": "ITLFile.tlv"}, 1),
    ("tvs_certificate_not_after_timestamp_seconds", {"use": "TVS", "name": "TVS.pem"}, 400 * DAY),
    ("tvs_certificate_not_after_timestamp_seconds", {"use": "signer", "name": "CTLFile.tlv"}, 400 * DAY),
    ("tvs_trusted_certificates", {"expires": "expired"}, 3),  # of long ago
    ("tvs_trusted_certificates", {"expires": "within_7_days"}, 0),
    ("tvs_trusted_certificates", {"expires": "within_30_days"}, 0),
    ("tvs_trusted_certificates", {"expires": "later"}, 9),
    ("tvs_db_up", {}, 1),
    ("tvs_db_copy_in_use", {}, 0),
    ("tvs_node_staleness_seconds", {}, 0.4),
    ("tvs_node_staleness_bound_seconds", {}, 10),
    ("tvs_service_behind", {"part": "certificate"}, 0),
    ("tvs_service_behind", {"part": "profile"}, 0),
    ("tvs_fleet_recorded", {}, 1),
    ("tvs_ctl_signature_valid", {}, 1),
    ("tvs_cache_workers_out_of_sync", {}, 0),
    ("tvs_keylog_enabled", {}, 0),
]
"""Gauges of a healthy service with two workers."""


def alert_names() -> list[str]:
    """The names of all alerts in the rule file, each once, in its order."""
    found = re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.MULTILINE)
    return list(dict.fromkeys(found))


class Fired(NamedTuple):
    """An alert that fires: its name, its labels but for those of the target, its texts."""

    alert: str
    labels: Mapping[str, str]
    summary: str
    description: str
    target: Mapping[str, str] = TARGET

    @property
    def expected(self) -> dict[str, object]:
        """As promtool wants it."""
        page = f"docs/alerts.md#{self.alert.lower()}"
        return {
            "exp_labels": {**self.target, **self.labels},
            "exp_annotations": {"summary": self.summary, "description": self.description, "runbook": page},
        }


def fast(share: str) -> Fired:
    """The fast burn rate."""
    return Fired(
        "TVSPhonesNotAnswered",
        {"severity": "critical", "window": "1h"},
        f"tvs1:9445 fails {share} of its phones",
        f"In the last hour {share} of the phones that connected were turned away or cut off by the service's own "
        "fault, and it goes on. They ask their next TVS server; with a single one they refuse what they asked about.",
    )


def slow(share: str) -> Fired:
    """The slow burn rate."""
    return Fired(
        "TVSPhonesNotAnswered",
        {"severity": "warning", "window": "6h"},
        f"tvs1:9445 fails {share} of its phones",
        f"In the last six hours {share} of the phones that connected were turned away or cut off by the service's own "
        "fault, and it goes on.",
    )


class Site:
    """Metrics of a healthy service that is asked by a site's phones; tests change what they want.

    Args:
        phones: number of phones.
        length: number of samples.
        step: minutes between two samples.
    """

    def __init__(self, phones: int, length: int, step: int = 1) -> None:
        self.step = step
        self.length = length
        self._counts: dict[tuple[str, Labels], list[int]] = defaultdict(lambda: [0] * length)
        self._levels: dict[tuple[str, Labels], list[float | None]] = {}
        self._gone: set[int] = set()
        self._lost: dict[str, set[int]] = {}
        for name, labels in _COUNTERS:
            self.count(name, {}, **labels)
        for name, labels, value in _GAUGES:
            self.level(name, value, **labels)
        self.ask(self.evenly(phones * QUERIES_PER_MINUTE))

    # -- changes

    def evenly(self, each: float, since: int = 0, until: int | None = None) -> dict[int, int]:
        """Numbers of events at `each` a minute, as whole numbers, from sample `since` to before `until`."""
        pace = each * self.step
        places = range(since, self.length if until is None else until)
        return {place: int((place + 1) * pace) - int(place * pace) for place in places}

    def ask(self, numbers: Mapping[int, int], *, result: str = "trusted", source: str = "db", slow: int = 0) -> None:
        """Phones that connect, ask and get an answer; the handshakes of `slow` in a hundred take over a second."""
        self.count("tvs_connections_accepted_total", numbers)
        self.count("tvs_connections_closed_total", numbers, outcome="answered")
        self.count("tvs_tls_handshakes_total", numbers, result="ok", version="TLSv1.2")
        self.count("tvs_requests_total", numbers, type="query_cert", result=result, source=source)
        quick = {place: number - number * slow // 100 for place, number in numbers.items()}
        self.count("tvs_request_duration_seconds_bucket", quick, phase="handshake", le="1.0")
        self.count("tvs_request_duration_seconds_count", numbers, phase="handshake")

    def end(self, outcome: str, numbers: Mapping[int, int]) -> None:
        """Connections with another end."""
        self.count("tvs_connections_accepted_total", numbers)
        self.count("tvs_connections_closed_total", numbers, outcome=outcome)

    def count(self, name: str, numbers: Mapping[int, int], /, **labels: str) -> None:
        """Adds events to a counter, by sample."""
        counts = self._counts[name, tuple(labels.items())]
        for place, number in numbers.items():
            counts[place] += number

    def level(self, name: str, value: float | None, since: int = 0, until: int | None = None, /, **labels: str) -> None:
        """Sets a gauge from sample `since` on to before `until`; None removes it."""
        levels = self._levels.setdefault((name, tuple(labels.items())), [None] * self.length)
        for place in range(since, self.length if until is None else until):
            levels[place] = value

    def lose(self, name: str, since: int, until: int) -> None:
        """A counter is missing from sample `since` on to before `until`."""
        self._lost.setdefault(name, set()).update(range(since, until))

    def silence(self, since: int, until: int) -> None:
        """No phone comes from sample `since` on to before `until`."""
        for counts in self._counts.values():
            counts[since:until] = [0] * (until - since)

    def fall(self, since: int, until: int) -> None:
        """The service is down: Prometheus has no sample but `up`, and counters begin again."""
        self._gone.update(range(since, until))
        self.level("up", 0, since, until)

    # -- promtool

    def series(self) -> list[dict[str, str]]:
        """The input series."""
        found = [
            _series(key, self._sums(counts, self._lost.get(key[0], set()))) for key, counts in self._counts.items()
        ]
        for key, levels in self._levels.items():
            present = [None if i in self._gone and key[0] != "up" else level for i, level in enumerate(levels)]
            found.append(_series(key, present))
        return found

    def _sums(self, counts: Iterable[int], lost: set[int]) -> Iterable[float | None]:
        total = 0
        for place, number in enumerate(counts):
            total = 0 if place in self._gone else total + number
            yield None if place in self._gone or place in lost else total

    def check(self, promtool: str, folder: Path, expected: Mapping[int, list[Fired]]) -> None:
        """Asserts that at these samples exactly these alerts fire.

        Args:
            promtool: path of the program.
            folder: for the test file.
            expected: the alerts that fire, by sample; all others are silent then.
        """
        tests = [
            {
                "eval_time": f"{place * self.step}m",
                "alertname": name,
                "exp_alerts": [fired.expected for fired in alerts if fired.alert == name],
            }
            for place, alerts in expected.items()
            for name in alert_names()
        ]
        interval = f"{self.step}m"
        group = {"interval": interval, "input_series": self.series(), "alert_rule_test": tests}
        path = folder / "alerts.json"  # JSON is YAML
        document = {"rule_files": [str(RULES)], "evaluation_interval": interval, "tests": [group]}
        path.write_text(json.dumps(document))
        done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _series(key: tuple[str, Labels], values: Iterable[float | None]) -> dict[str, str]:
    name, labels = key
    text = ",".join(f'{label}="{value}"' for label, value in (*TARGET.items(), *labels))
    numbers = " ".join("_" if value is None else str(value) for value in values)
    return {"series": f"{name}{{{text}}}", "values": numbers}
