"""The jobs of a bulk run as tasks of a Ray cluster; a lost worker's job is done again by Ray.

Ray 2.60 asks for a token by default: on a cluster of your own it is in RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or
~/.ray/auth_token, as on its head node. A local cluster gets one of its own, which ends with it.

Knows nothing of what a job is. Imports ray (extra `ray`) when one is made.
"""

import os
import secrets
import socket
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from samespace.errors import MissingExtraError, SamespaceError, StoreError
from samespace.index.executor import TRIES, Work, lost

__all__ = ["LOCAL", "Cluster"]

J = TypeVar("J")
R = TypeVar("R")

LOCAL = "local"
"""The address that means: a cluster on this machine, for as long as it is used."""
_SECONDS_TO_ANSWER = 10.0
_AHEAD = 2  # tasks that wait, for each that runs


class Cluster:
    """A connection to a Ray cluster. A context manager.

    Args:
        address: of it, as `ray.init` takes it; "local" starts one here.
        cpus: of a local one; None = all there are.

    Raises:
        MissingExtraError: ray is not installed.
        StoreError: no such cluster.
    """

    def __init__(self, address: str, *, cpus: int | None = None) -> None:
        try:
            import ray
        except ImportError as err:
            raise MissingExtraError("--ray", "ray", "ray") from err
        self._ray: Any = ray
        try:
            self._start(address, cpus)
        except Exception as err:  # Ray's own: ConnectionError, RuntimeError, ValueError, AuthenticationError
            ray.shutdown()
            first = (str(err).splitlines() or [type(err).__name__])[0][:200]
            raise StoreError(
                address, f"no Ray cluster answers there ({first})",
                "Check the address (ray status) and its token (RAY_AUTH_TOKEN), or start one here: --ray local",
            ) from err  # fmt: skip
        self.workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _start(self, address: str, cpus: int | None) -> None:
        quiet = {"log_to_driver": False, "configure_logging": False}
        if address != LOCAL:
            _knock(address)
            self._ray.init(address=address, **quiet)
            return
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one into the home folder
        with warnings.catch_warnings():  # Ray forks to start its servers, which at once become other programs
            warnings.filterwarnings("ignore", "lance is not fork-safe", UserWarning)
            self._ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def run(self, work: Work[J, R], jobs: Iterable[J]) -> Iterator[R]:
        """See Executor."""
        task = self._ray.remote(num_cpus=1, max_retries=TRIES - 1)(_call)
        shared = self._ray.put(work)
        source = iter(jobs)
        waiting: dict[Any, J] = {}
        try:
            while True:
                for job in islice(source, _AHEAD * self.workers - len(waiting)):
                    waiting[task.remote(shared, job)] = job
                if not waiting:
                    return
                done, _ = self._ray.wait(list(waiting), num_returns=1)
                yield self._result(done[0], waiting.pop(done[0]))
        finally:
            for handle in waiting:
                with suppress(Exception):
                    self._ray.cancel(handle, force=True)

    def _result(self, handle: Any, job: object) -> Any:
        """What a task returned. Raises what its job raised."""
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.RayTaskError as err:
            cause = err.cause
            if isinstance(cause, SamespaceError):
                raise SamespaceError(str(cause)) from None
            raise
        except self._ray.exceptions.WorkerCrashedError:
            raise lost(job) from None


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()


def _call(work: Work[Any, Any], job: Any) -> Any:
    return work(job)
