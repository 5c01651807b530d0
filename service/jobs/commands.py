"""`bespoke jobs`: start, list, follow, cancel and retry jobs of a running service."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from service.jobs.client import Client, worded
from service.jobs.states import EventKind
from service.terminal import show

FAILED = 4
"""Exit status of a followed job that does not succeed."""
app = typer.Typer(no_args_is_help=True, help="Start, list, follow, cancel and retry jobs of a running service.")
Url = Annotated[str, typer.Option(envvar="BESPOKE_URL", help="Address of the service.")]
Key = Annotated[str | None, typer.Option(envvar="BESPOKE_KEY", help="API key, where one is needed.")]
Job = Annotated[str, typer.Argument(help="Id of a job.")]
HERE = "http://127.0.0.1:8080"


@app.command()
def start(
    design: Annotated[str, typer.Argument(help="Id of a stored design.")],
    dataset: Annotated[str | None, typer.Option(help="Id or name of a registered data set.")] = None,
    accelerator: Annotated[str, typer.Option(help="Kind of worker: cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(help="The same seed gives the same result.")] = 0,
    preset: Annotated[str, typer.Option(help="How much work: quick, standard or thorough.")] = "standard",
    epochs: Annotated[int | None, typer.Option(help="Of each training; by preset and data set if none.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="That train together on one worker.")] = 1,
    watch: Annotated[bool, typer.Option("--follow", help="Follow it to its end.")] = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Train and compress a stored design; prints the job's id."""
    body: dict[str, Any] = {"design": design, "accelerator": accelerator, "options": {"seed": seed, "preset": preset}}
    if processes > 1:
        body["options"]["processes"] = processes
    if epochs is not None:
        body["options"]["epochs"] = epochs
    if dataset is not None:
        body["dataset"] = dataset
    client = Client(url, key)
    job_id = client.ask("POST", "/v1/jobs", body)["id"]
    typer.echo(job_id)
    if watch:
        _follow(client, job_id)


@app.command("list")
def list_jobs(url: Url = HERE, key: Key = None) -> None:
    """List the newest jobs."""
    table = Table(box=None, header_style="bold")
    for title in ("id", "state", "step", "progress", "data set", "created"):
        table.add_column(title)
    for job in Client(url, key).ask("GET", "/v1/jobs")["items"]:
        progress = "" if job["progress"] is None else f"{100 * job['progress']:.0f} %"
        cells = (job["state"], job["step"] or "", progress, job["dataset"], job["created_at"][:16])
        table.add_row(job["id"], *(Text(cell) for cell in cells))
    show(table)


@app.command()
def follow(job: Job, url: Url = HERE, key: Key = None) -> None:
    """Show what happens to a job until it ends; exits with 4 unless it succeeds."""
    _follow(Client(url, key), job)


@app.command()
def cancel(job: Job, url: Url = HERE, key: Key = None) -> None:
    """End a job."""
    typer.echo(Client(url, key).ask("POST", f"/v1/jobs/{job}/cancel")["state"])


@app.command()
def retry(job: Job, url: Url = HERE, key: Key = None) -> None:
    """Go on with a failed or cancelled job behind its last finished step."""
    typer.echo(Client(url, key).ask("POST", f"/v1/jobs/{job}/retry")["state"])


def _follow(client: Client, job_id: str) -> None:
    last = ""
    for event in client.follow(job_id):
        last = event["kind"]
        show(Text(f"{event['at'][11:19]}  {worded(event)}"))
    if last != EventKind.SUCCEEDED:
        raise typer.Exit(FAILED)
