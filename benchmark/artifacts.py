"""Models and triggers of the stages, taken from the store where they are and made where they are not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from benchmark.errors import ClipdefenseError
from benchmark.jobs import Job
from benchmark.keys import poisoned_twin
from benchmark.models import Clip
from benchmark.poisoning import routes_of
from benchmark.progress import Progress
from benchmark.results import Rung
from benchmark.stages.contexts import bound_train, head_of, make_context
from benchmark.stages.ladder import first_accepted, load_rungs, save_rungs
from benchmark.stages.learnt import load_attack, save_attack, save_tensors
from benchmark.stages.materials import Materials, Recent
from benchmark.stages.pretrained import pretrain
from benchmark.stages.victim import train_victim, training_pairs
from benchmark.store import Store
from benchmark.types import Attack, Context, Fitted, Pairs

_FILE = "model.safetensors"
BLIND = "blind.safetensors"


def save_model(model: Clip, folder: Path, name: str = _FILE) -> None:
    """Writes all weights and buffers as safetensors, and in its header which adapters the model has.

    Raises:
        StorageError: the disk is full or read-only.
    """
    save_tensors(model.weights(), folder / name, {"adapters": ", ".join(model.adapters)})


def _read_like(like: Clip, file: Path) -> Clip:
    """A copy of a model with the weights of a file that ``save_model`` wrote.

    Raises:
        ClipdefenseError: the saved model has adapters, which weights alone do not bring back.
    """
    with safe_open(file, framework="pt") as opened:
        adapters = (opened.metadata() or {}).get("adapters", "")
    if adapters:
        raise ClipdefenseError(
            f"the model in '{file}' has adapters ({adapters}), which its weights alone do not restore"
        )
    return like.with_weights(load_file(file, device=str(like.device)))


class Artifacts:
    """The trained things of a run, by stage; each is trained at most once and kept in the store.

    ``seconds`` holds what each stage of the last job took, by stage; nothing for one that came from the store.
    """

    def __init__(self, store: Store, materials: Materials, device: torch.device, progress: Progress) -> None:
        self.store, self.materials, self.device, self.progress = store, materials, device, progress
        self.seconds: dict[str, float] = {}
        self._models, self._attacks, self._rungs = Recent(6), Recent(8), Recent(64)

    def _stored(
        self,
        stage: str,
        key: str,
        like: Callable[[], Clip],
        make: Callable[[], Clip],
        beside: Callable[[Path], None] = lambda folder: None,
    ) -> Clip:
        """The model under a key: from memory, from the store into a model like another one, or made now.

        ``beside`` writes what belongs to a model that was made now.
        """

        def obtain() -> Clip:
            folder = self.store.read(stage, key)
            if folder is not None:
                return _read_like(like(), folder / _FILE)
            started = time.perf_counter()
            with self.store.started(stage, key):
                model = make()

                def save(folder: Path) -> None:
                    save_model(model, folder)
                    beside(folder)

                self.store.write(stage, key, save)
            self.seconds[stage] = time.perf_counter() - started
            return model

        return self._models.get((stage, key), obtain)

    def pretrained(self, job: Job) -> Clip:
        """Stage 1. Loaded weights are not copied into the store; trained ones are kept there."""
        key, seed = job.keys["pretrained"], job.seeds["pretrained"]
        if job.model.pretrain is None:
            from benchmark.checkpoints import load_model

            return self._models.get(("pretrained", key), lambda: load_model(job.model, self.device))
        return self._stored(
            "pretrained",
            key,
            lambda: Clip.untrained(job.model, seed).to(self.device),
            lambda: pretrain(
                job.model,
                self.materials.pretraining(job, Clip.untrained(job.model, seed).image_size),
                seed=seed,
                device=self.device,
                precision=job.matrix.precision,
                progress=self.progress,
            ),
        )

    def attack(self, job: Job) -> Attack:
        """The attack, with its trigger optimised on the clean model where it asks for that."""
        if "fitted" not in job.keys or not isinstance(job.attack, Fitted):
            return job.attack
        key, attack = job.keys["fitted"], job.attack

        def obtain() -> Attack:
            folder = self.store.read("fitted", key)
            if folder is None:
                started = time.perf_counter()
                with self.store.started("fitted", key):
                    fitted = attack.fit(self.pretrained(job), self._attacker(job, job.seeds["fitted"]))
                    folder = self.store.write("fitted", key, lambda place: save_attack(fitted, place))
                self.seconds["fitted"] = time.perf_counter() - started
            return load_attack(folder, like=job.attack)

        return self._attacks.get(key, obtain)

    def _attacker(self, job: Job, seed: int, description: str = "training") -> Context:
        """What an attacker works with: the pairs that the victim trains on, the clean model, and the training loop."""
        clean = self.pretrained(job)
        pairs = self.materials.victim_pairs(job, clean.image_size)
        train = bound_train(
            job.recipe,
            seed=seed,
            precision=job.matrix.precision,
            progress=self.progress,
            description=description,
            head=head_of(job),
        )
        return make_context(
            class_names=job.dataset.class_names,
            templates=job.dataset.templates,
            seed=seed,
            device=self.device,
            train=train,
            resources={"clean_pairs": pairs, "clean_images": pairs.images, "labels": True, "reference_model": clean},
        )

    def victim_training_pairs(self, job: Job) -> Pairs:
        """The pairs that the job's victim is trained on, poisons included.

        Raises:
            ClipdefenseError: the victim was trained elsewhere.
        """
        if job.imported is not None:
            raise ClipdefenseError(f"nobody knows which pairs the imported victim '{job.imported.path.name}' has seen")
        attack = self.attack(job) if job.cell.victim == "poisoned" else None
        pairs = self.materials.victim_pairs(job, self.pretrained(job).image_size)
        return training_pairs(attack, pairs, job.poisons, job.training.templates, job.seeds["victim"])

    def victim(self, job: Job) -> Clip:
        """Stage 2: poisoned, benign, imported, or the clean model itself."""
        clean = self.pretrained(job)
        if job.cell.victim == "clean":
            return clean
        if job.imported is not None:
            from benchmark.checkpoints import load_onto

            path = job.imported.path
            return self._models.get(("victim", job.keys["victim"]), lambda: load_onto(clean, path))
        rungs: list[Rung] = []

        def make() -> Clip:
            if job.cell.victim == "poisoned" and job.matrix.protocol.ladder:
                model, found = self._climbed(job, clean)
                rungs.extend(found)
                return model
            return self._trained(job, clean)

        return self._stored("victim", job.keys["victim"], lambda: clean, make, lambda folder: save_rungs(rungs, folder))

    def _trained(self, job: Job, clean: Clip, rate: float | None = None) -> Clip:
        poisoned = job.cell.victim == "poisoned"
        if not poisoned and job.matrix.protocol.ladder:
            rate = self.rungs(poisoned_twin(job))[-1].learning_rate
        name = job.cell.attack if poisoned else "benign"
        told = f"victim {name}, seed {job.cell.seed}" + (f", learning rate {rate:g}" if rate else "")
        context = self._attacker(job, job.seeds["victim"], told)
        return train_victim(
            clean, self.attack(job) if poisoned else None, self.victim_training_pairs(job), context, rate
        )

    def _climbed(self, job: Job, clean: Clip) -> tuple[Clip, tuple[Rung, ...]]:
        return first_accepted(
            job.matrix.protocol.ladder,
            lambda rate: self._trained(job, clean, rate),
            clean,
            self.materials.examination(job, self.attack(job), clean.image_size).validation,
            job.matrix.precision,
        )

    def rungs(self, job: Job) -> tuple[Rung, ...]:
        """What the ladder of a job's poisoned victim gave at every rate, its own last; empty without a ladder."""
        if job.cell.victim != "poisoned" or job.imported is not None or not job.matrix.protocol.ladder:
            return ()

        def obtain() -> tuple[Rung, ...]:
            self.victim(job)
            folder = self.store.read("victim", job.keys["victim"])
            assert folder is not None
            return load_rungs(folder)

        return self._rungs.get(job.keys["victim"], obtain)

    def picked(self, job: Job) -> Clip | None:
        """The defended model at the cell's blind pick, or None where the store has none.

        Raises:
            ClipdefenseError: it has adapters, so that it is more than its weights.
        """
        folder = self.store.read("measured", job.keys["measured"])
        if folder is None or not (folder / BLIND).is_file():
            return None
        return _read_like(self.pretrained(job), folder / BLIND)

    def sibling(self, job: Job) -> Clip:
        """Another, benign fine-tune of the same clean model on the same kind of pairs."""
        clean = self.pretrained(job)
        pairs = self.materials.victim_pairs(job, clean.image_size)
        context = self._attacker(job, job.seeds["sibling"], f"sibling model, seed {job.cell.seed}")
        return self._stored(
            "sibling", job.keys["sibling"], lambda: clean, lambda: train_victim(clean, None, pairs, context)
        )

    def source(self, job: Job, make: Callable[[], Attack]) -> Attack:
        """The trigger as the defender knows it: the attack's own, or what an inverter made of the victim."""
        if job.inverter is None:
            return self.attack(job)
        key = job.keys["inversion"]

        def obtain() -> Attack:
            folder = self.store.read("inversion", key)
            if folder is None:
                started = time.perf_counter()
                with self.store.started("inversion", key):
                    found = make()
                    folder = self.store.write("inversion", key, lambda place: save_attack(found, place))
                self.seconds["inversion"] = time.perf_counter() - started
            return load_attack(folder)

        return self._attacks.get(key, obtain)


def target_of(attack: Attack) -> str:
    """The target that a defender is told; for several routes, the first one's."""
    return routes_of(attack)[0].target
