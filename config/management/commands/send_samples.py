"""Something to see of phones and sensors, sent to a running server as they would send it."""

from typing import Any

import urllib3
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dropzone.models import Payload
from dropzone.samples import write_payloads
from locations.management.commands.simulate_locations import read_token, read_url
from locations.models import MinuteAverage
from locations.phones import Plan
from locations.simulating import Server, SimulationFailed, simulate

PLAN = Plan(run="sample", users=6, minutes=40, interval_seconds=15)
MINUTES = 180
SEED = 1
TIMEOUT_SECONDS = 30


class Command(BaseCommand):
    help = "Sends made-up fixes and payloads to a running server: each where there are none at all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", type=read_url, default="http://127.0.0.1:8000")
        parser.add_argument("--token", type=read_token, default="", help="JWT of who may send both")

    def handle(self, *args: Any, url: str, token: str, **options: Any) -> None:
        server = Server(url, token)
        if not MinuteAverage.objects.exists():
            self._send_fixes(server)
        if not Payload.objects.exists():
            self._send_payloads(server)

    def _send_fixes(self, server: Server) -> None:
        try:
            outcome = simulate(PLAN, server)
        except SimulationFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"sent {outcome.sent:,} fixes of {PLAN.users} made-up phones")

    def _send_payloads(self, server: Server) -> None:
        headers = {"Content-Type": "application/json"}
        if server.token:
            headers["Authorization"] = f"Bearer {server.token}"
        pool = urllib3.connection_from_url(
            server.url, retries=False, timeout=TIMEOUT_SECONDS, headers=headers
        )
        bodies = list(write_payloads(MINUTES, seed=SEED))
        for body in bodies:
            try:
                answer = pool.request("POST", "/dropzone", body=body)
            except urllib3.exceptions.HTTPError as error:
                raise CommandError(f"{server.url}/dropzone is not answered: {error}") from error
            if answer.status != 202:
                raise CommandError(f"{server.url}/dropzone answers {answer.status}")
        self.stdout.write(f"sent {len(bodies):,} payloads of a made-up sensor")
