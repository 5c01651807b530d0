"""fit: train a network on a data set. The main path of training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn, optim

from networks.quantize import clip_latent_
from networks.training.averaging import WeightAverage
from networks.training.batches import Batches
from networks.training.checkpoint import Checkpoint, State, load_checkpoint
from networks.training.checks import check_fits, device_of
from networks.training.data import TrainingData
from networks.training.errors import InvalidOptions, TrainingDiverged, TrainingStopped
from networks.training.evaluation import Evaluation, evaluate
from networks.training.half_precision import bf16_is_native
from networks.training.identity import identity
from networks.training.objective import objective, teach
from networks.training.options import FitOptions
from networks.training.progress import Epoch, Fitted, Progress
from networks.training.ranks import ALONE, Ranks
from networks.training.replay import check_replays, replayed
from networks.training.schedule import learning_rate
from networks.training.stepping import make_optim
from networks.training.totals import Totals
from networks.training.watcher import Watched, Watcher

REPORTS_PER_EPOCH = 20
EVALUATION_BATCH = 500


def fit(
    module: nn.Module,
    data: TrainingData,
    options: FitOptions,
    *,
    teacher: nn.Module | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    watcher: Watcher | None = None,
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
) -> Fitted:
    """Train a network; it is left with the weights of its best epoch on the validation part, in evaluation mode.

    A run that goes on from a checkpoint ends with the same weights, to the digit, as one that was never interrupted
    (same machine, same number of threads, which the caller sets). The test part is not looked at.

    Args:
        module: N x C x H x W -> N x classes, on the device to train on; its memory format becomes channels last.
        data: See `prepare`.
        options: How.
        teacher: Gives soft targets where `options.distillation` is over 0.
        checkpoint: Written after every epoch; where it exists, training goes on from it.
        progress: Told about twenty times an epoch.
        should_stop: Asked before every step.
        watcher: Looks at steps without changing anything, as `networks.training.monitor.monitor.Monitor` does.
        ranks: This process among those that train the network together; the first one writes the checkpoint.
        cuda_graphs: Record the passes of a training step once and replay them (`replayed`), on a CUDA device: small
            networks train several times as fast. Results are as near to those without as two runs are, not equal to
            the digit.

    Returns:
        The curves and which epoch was best.

    Raises:
        InvalidData: The network does not take such pictures, has other classes, or nothing to train.
        InvalidOptions: Distillation without a teacher; CUDA graphs on another device or with several processes.
        CheckpointMismatch: The checkpoint belongs to another run.
        TrainingDiverged: The loss is no longer a number.
        TrainingStopped: `should_stop` said so.
    """
    if options.distillation and teacher is None:
        raise InvalidOptions("distillation must have a teacher", "none", "Give one, or set distillation=0.")
    if cuda_graphs and ranks.of > 1:
        raise InvalidOptions("CUDA graphs must be of one process", f"{ranks.of}", "Set cuda_graphs=False.")
    device = device_of(module)
    if cuda_graphs:
        check_replays(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(options.seed)
        run = _Run(module, data, options, teacher, device, ranks)
        run.resume(checkpoint)
        if cuda_graphs:
            run.forward = replayed(module, run.first(), bf16=run.bf16)
        run.watch(watcher)
        while len(run.epochs) < options.epochs:
            run.epoch(progress, should_stop)
            if checkpoint is not None and ranks.leads:
                run.checkpoint().save(checkpoint)
    return run.finish()


class _Run:
    """One training as it goes."""

    def __init__(
        self,
        module: nn.Module,
        data: TrainingData,
        options: FitOptions,
        teacher: nn.Module | None,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        self.module, self.data, self.options, self.teacher, self.device = module, data, options, teacher, device
        self.forward: Callable[[Tensor], Tensor] = module
        self.ranks = ranks
        ranks.check(options.batch_size, len(data.train))
        self.bf16 = bf16_is_native(device) if options.bf16 is None else options.bf16
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train = Batches(
            data.train,
            batch_size=options.batch_size,
            normalisation=data.normalisation,
            augmentation=options.augmentation,
            device=device,
        )
        self.validation = Batches(
            data.validation, batch_size=EVALUATION_BATCH, normalisation=data.normalisation, device=device
        )
        check_fits(module, data, self.validation)
        self.optim: optim.Optimizer = make_optim(module, options)
        self.average = WeightAverage(module, options.average_decay) if options.average_decay is not None else None
        self.identity = identity(module, data, options, teacher)
        self.epochs: tuple[Epoch, ...] = ()
        self.best: tuple[State, int] = ({}, 0)
        self._begun, self._steps_here = time.perf_counter(), 0

    def watch(self, watcher: Watcher | None) -> None:
        """Show the run, as it stands, to who watches it."""
        self.watcher = watcher
        if watcher is not None:
            watcher.begin(
                Watched(
                    module=self.module,
                    stepper=self.optim,
                    data=self.data,
                    options=self.options,
                    teacher=self.teacher,
                    steps_per_epoch=self.train.full,
                ),
                len(self.epochs) * self.train.full,
            )

    @property
    def _seconds(self) -> float:
        return sum(epoch.seconds for epoch in self.epochs)

    def first(self) -> Tensor:
        """The pictures of the very first step."""
        return next(self.train.shuffled(self.options.seed, 0))[0]

    def resume(self, path: Path | None) -> None:
        """Go on from a checkpoint, where there is one."""
        found = load_checkpoint(path, self.identity) if path is not None else None
        if found is None:
            if self.ranks.of > 1:
                self.ranks.start(self.module, self.first())
            return
        self.module.load_state_dict(found.module)
        self.optim.load_state_dict(found.optim)
        if self.average is not None and found.average is not None:
            self.average.restore(*found.average)
        self.epochs, self.best = found.epochs, found.best
        torch.set_rng_state(found.random[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(found.random[1], self.device)

    def checkpoint(self) -> Checkpoint:
        """The state after the last epoch."""
        random: tuple[Tensor, ...] = (torch.get_rng_state(),)
        if self.device.type == "cuda":
            random += (torch.cuda.get_rng_state(self.device),)
        average = None if self.average is None else (self.average.state, self.average.steps)
        return Checkpoint(
            identity=self.identity,
            epochs=self.epochs,
            module=self.module.state_dict(),
            optim=self.optim.state_dict(),
            average=average,
            best=self.best,
            random=random,
        )

    def epoch(self, progress: Callable[[Progress], None] | None, should_stop: Callable[[], bool] | None) -> None:
        """Train one epoch and validate."""
        begun = time.perf_counter()
        number, steps = len(self.epochs), self.train.full
        every = max(steps // REPORTS_PER_EPOCH, 1)
        totals = Totals()
        self.module.train()
        for images, labels in self.train.shuffled(self.options.seed, number, share=(self.ranks.number, self.ranks.of)):
            if should_stop is not None and should_stop():
                raise TrainingStopped(number)
            self._step(images, labels, number * steps + totals.steps, totals)
            if progress is not None and totals.steps % every == 0 and totals.steps < steps:
                progress(self._progress(number, totals, time.perf_counter() - begun, None))
        self.ranks.average_statistics(self.module)
        summed = self.ranks.summed((totals.loss / self.ranks.of, totals.right, totals.pictures), self.device)
        totals.loss, totals.right, totals.pictures = summed
        found = self._validate()
        seconds = time.perf_counter() - begun
        if progress is not None:
            progress(self._progress(number, totals, seconds, found.accuracy))
        record = Epoch(
            loss=totals.loss / totals.steps,
            accuracy=totals.right / totals.pictures,
            validation_loss=found.loss,
            validation_accuracy=found.accuracy,
            learning_rate=float(self.optim.param_groups[0]["lr"]),
            seconds=seconds,
        )
        if not self.epochs or found.accuracy >= self.epochs[self.best[1] - 1].validation_accuracy:
            kept = self.module.state_dict() if self.average is None else self.average.state
            self.best = ({name: value.detach().clone() for name, value in kept.items()}, number + 1)
        self.epochs += (record,)

    def _step(self, images: Tensor, labels: Tensor, step: int, totals: Totals) -> None:
        options = self.options
        rate = learning_rate(
            step,
            steps=options.epochs * self.train.full,
            warmup=round(options.warmup_epochs * self.train.full),
            peak=options.learning_rate,
        )
        for group in self.optim.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.forward(images)
        logits = logits.float()
        taught = None
        if self.teacher is not None and options.distillation:
            taught = teach(self.teacher, images, bf16=self.bf16)
        loss = objective(logits, labels, taught, options)
        self.optim.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ranks.average_gradients(self.module)
        if self.watcher is not None:
            self.watcher.before(step, loss.item())
        if options.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.module.parameters(), options.clip_norm)
        self.optim.step()
        clip_latent_(self.module)
        if self.watcher is not None:
            self.watcher.after(step)
        if self.average is not None:
            self.average.update(self.module)
        totals.add(loss.item(), logits.detach(), labels)
        if not math.isfinite(totals.loss):
            raise TrainingDiverged(
                "the loss must stay a number",
                f"{loss.item()} in epoch {step // self.train.full + 1}, step {totals.steps}",
                "Try a smaller learning_rate, a longer warm-up, clip_norm=1, or bf16=False.",
            )
        self._steps_here += 1

    def _validate(self) -> Evaluation:
        if self.average is None:
            return evaluate(self.module, self.validation, bf16=self.bf16)
        own = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.average.state)
        found = evaluate(self.module, self.validation, bf16=self.bf16)
        self.module.load_state_dict(own)
        return found

    def _progress(self, number: int, totals: Totals, seconds: float, validation: float | None) -> Progress:
        left = self.options.epochs * self.train.full - number * self.train.full - totals.steps
        here = time.perf_counter() - self._begun
        return Progress(
            epoch=number + 1,
            epochs=self.options.epochs,
            step=totals.steps,
            steps=self.train.full,
            loss=totals.loss / totals.steps,
            accuracy=totals.right / totals.pictures,
            validation_accuracy=validation,
            seconds=self._seconds + seconds,
            seconds_left=here / self._steps_here * left,
        )

    def finish(self) -> Fitted:
        """Give the module the weights of the best epoch."""
        state, number = self.best
        self.module.load_state_dict(state)
        self.module.eval()
        accuracy = self.epochs[number - 1].validation_accuracy
        return Fitted(epochs=self.epochs, best_epoch=number, validation_accuracy=accuracy, seconds=self._seconds)
