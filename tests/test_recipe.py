"""Recipes: what is read, and what is said of a wrong key; and what they make of a training."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip("pydantic")
pytest.importorskip("lightning")

from facekp.errors import RecipeError
from facekp.training import module, recipe, schedule

TEXT = """
name: small
data: {sets: [{name: 300w, root: .}], validation: 300w}
crop: {size: [64, 64]}
network: {name: resnet, head: heatmap, head_width: 8}
codec: {name: soft_argmax}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_of_the_package_loads(name: str) -> None:
    loaded = recipe.load(name)
    assert loaded.name == name
    assert loaded.epochs >= 1
    if loaded.task == "keypoints":
        with torch.device("meta"):
            network, codec = module.build(loaded, 68)
        assert codec.output == network.output


def test_names_are_those_of_the_files() -> None:
    assert "resnet18-ibug" in recipe.names()
    assert recipe.names() == sorted(recipe.names())


def test_a_file_is_read_and_completed(file: Path) -> None:
    loaded = recipe.load(file)
    assert isinstance(loaded, recipe.KeypointRecipe)
    assert loaded.crop.size == (64, 64)
    assert loaded.crop.box == "extent"
    assert loaded.optimizer.lr == 1e-3
    assert recipe.check(loaded.model_dump(), "again") == loaded


def test_overrides_reach_any_depth(file: Path) -> None:
    loaded = recipe.load(
        file,
        [
            "optimizer.lr=3e-4",  # YAML 1.1 takes this for text
            "epochs=7",
            "crop.size=[32, 96]",
            "network.depth=34",
            "schedule.name=step",
            "precision=bf16-mixed",
            " data.root = ../faces ",
            'licence="1e5"',  # quoted: text, whatever it looks like
        ],
    )
    assert loaded.licence == "1e5"
    assert loaded.optimizer.lr == 3e-4
    assert loaded.epochs == 7
    assert loaded.crop.size == (32, 96)
    assert loaded.network == {"name": "resnet", "head": "heatmap", "head_width": 8, "depth": 34}
    assert loaded.schedule.name == "step"
    assert loaded.data.root == "../faces"
    assert recipe.load(file).epochs == 10


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("epoch=3", r"small\.yaml: epoch: unknown key; known are: .*epochs"),
        ("optimizer.rate=3", r"optimizer\.rate: unknown key; known are: clip, lr"),
        ("epochs=many", r"epochs: .*integer"),
        ("epochs=0", r"epochs: .*greater than or equal to 1"),
        ("epochs=2.5", r"epochs: .*integer"),
        ("optimizer.lr=fast", r"optimizer\.lr: .*number"),
        ("optimizer.lr=.inf", r"optimizer\.lr: .*finite number"),
        ("optimizer.lr=.nan", r"optimizer\.lr: .*number"),
        ("optimizer.name=lion", r"optimizer\.name: .*'adamw', 'adam' or 'sgd'"),
        ("crop.box=tight", r"crop\.box: .*'extent', 'source' or 'full'"),
        ("crop.size=[1, 2, 3]", r"crop\.size"),
        ("task=poses", r"task: unknown 'poses'; choose one of: keypoints, finder"),
        ("network={depth: 18}", "network: a name is missing"),
        ("network.in_channels=1", r"network\.in_channels: 1 does not go with grey: false"),
        ("augment=[{name: Zoom}]", "augment: unknown transform 'Zoom'; choose one of: Blur"),
        ("augment=[{name: Mirror, q: 1}]", "augment: transform number 0, Mirror: .*'q'"),
        (
            "augment=[Mirror]",
            r"augment: expected a preset's name, or a list of \{name: Mirror, \.\.\.\}, got \['Mirror'\]",
        ),
        ("augment=null", r"augment: expected a preset's name, or a list of .*, got None"),
        ("augment=wild", "augment: unknown preset 'wild'; choose one of: classic, none, strong"),
        ("crop={box: full, scale: 1.3}", "crop: scale: 1.3 does not go with box: full"),
        ("crop.size=[0, 8]", r"crop: size: expected two positive numbers \(H, W\)"),
        ("pixels.std=0", r"pixels\.std: .*greater than 0"),
        ("data.validation={by: face}", r"data\.validation\.by: .*'subject' or 'fraction'"),
        ("data.validation={by: subject, share: 1}", r"data\.validation\.share: unknown key; known are: by, fraction"),
        ("data.validation={subjects: []}", r"data\.validation\.subjects: .*at least 1"),
        ("data.shema=wflw98", r"data\.shema: unknown key; known are: .*points, root, schema, sets"),
        ("early_stopping.wait=3", r"early_stopping\.wait: unknown key; known are: min_delta, patience"),
        ("devices=0", "devices: expected a positive number or auto, got 0"),
        ("strategy=fsdp", "strategy: .*'auto' or 'ddp'"),
        ("keep=first", "keep: .*'best' or 'last'"),
        ("codec={}", "codec: a name is missing"),
        ("network.in_channels=4", r"network\.in_channels: 4 does not go with grey: false"),
        ("seed=5000000000", r"seed: .*less than or equal to 4294967295"),
        (
            "optimizer=adam",
            r"optimizer: expected keys and values, got 'adam'; its keys are: clip, lr, name, weight_decay",
        ),
        (
            "early_stopping=true",
            r"early_stopping: expected keys and values, got True; its keys are: min_delta, patience",
        ),
        (
            "data.validation=null",
            r"data\.validation: expected keys and values, got None; its keys are: by, fraction, seed",
        ),
        ("data.sets={name: 300w}", r"data\.sets: expected a list, got \{'name': '300w'\}"),
        ("data.sets=[300w]", r"data\.sets\.0: expected keys and values, got '300w'"),
        ("network=null", "network: expected keys and values, got None"),
        ("crop.size=32", r"crop\.size: expected two whole numbers, \[H, W\], got 32"),
        ("=3", r"--set =3: expected key=value"),
        ("epochs", r"--set epochs: expected key=value"),
        ("name.first=x", r"--set name\.first=x: name is a single value"),
        ("epochs=[1", r"--set epochs=\[1: not YAML"),
        ("epochs=2020-13-45", r"--set epochs=2020-13-45: not YAML: month must be"),
        ("epochs=!!bool x", "--set epochs=!!bool x: not YAML"),
        ("epochs=!!timestamp x", "--set epochs=!!timestamp x: not YAML"),
        ("epochs=" + "[" * 3000, "not YAML: maximum recursion depth"),
    ],
)
def test_wrong_overrides_are_named(file: Path, override: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe.load(file, [override])


def test_validation_and_the_whole_picture(file: Path) -> None:
    loaded = recipe.load(file, ["crop={box: full, size: [60, 80]}", "data.validation={subjects: [7, x]}"])
    assert (loaded.crop.scale, loaded.crop.size) == (1.0, (60, 80))
    assert loaded.data.validation.subjects == ["7", "x"]
    assert loaded.data.held_out == "subjects 7, x"
    assert recipe.check(loaded.model_dump(mode="json", by_alias=True), "again") == loaded
    loaded = recipe.load(file, ["data.validation={by: subject}", "data.schema=nose_tip", "early_stopping={}"])
    assert loaded.data.held_out == "20% of the subjects, seed 0"
    assert loaded.early_stopping.patience == 10
    assert recipe.check(loaded.model_dump(mode="json", by_alias=True), "again") == loaded


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown recipe 'resnet'; choose a \.yaml file or one of: .*resnet18-ibug"):
        recipe.load("resnet")
    with pytest.raises(RecipeError, match=r"none\.yaml: cannot be read"):
        recipe.load(tmp_path / "none.yaml")
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(RecipeError, match="expected keys and values, found list"):
        recipe.load(path)
    path.write_text("a: [1\nb: {")
    with pytest.raises(RecipeError, match=r"list\.yaml: not YAML"):
        recipe.load(path)
    path.write_text("name: x\n")
    with pytest.raises(RecipeError, match="data: Field required"):
        recipe.load(path)


# ---------------------------------------------------------------- recipes with a base


def child(file: Path, text: str, name: str = "child.yaml") -> Path:
    path = file.parent / name
    path.write_text(text)
    return path


def test_a_recipe_takes_its_base_group_by_group(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = child(
        file,
        "base: small.yaml\nname: first\ncrop: {scale: 1.5}\nnetwork: {depth: 34}\noptimizer: {lr: 0.1}\n"
        "augment: [{name: Mirror}, {name: Blur}]\n",
        "first.yaml",
    )
    second = child(
        file,
        "base: first.yaml\nname: second\nepochs: 3\noptimizer: {name: sgd}\naugment: [{name: Tone}]\n"
        "data: {sets: [{name: wflw, root: .}]}\n",
    )
    loaded = recipe.load(first)
    assert (loaded.name, loaded.crop.size, loaded.crop.scale) == ("first", (64, 64), 1.5)
    assert loaded.network == {"name": "resnet", "head": "heatmap", "head_width": 8, "depth": 34}
    loaded = recipe.load(second, ["crop.scale=1.6"])
    assert (loaded.name, loaded.epochs, loaded.crop.scale) == ("second", 3, 1.6)
    assert (loaded.optimizer.name, loaded.optimizer.lr) == ("sgd", 0.1)
    assert loaded.augment == [{"name": "Tone"}]  # lists are replaced
    assert loaded.data.sets == [{"name": "wflw", "root": "."}]
    assert loaded.data.validation == "300w"
    assert "base" not in loaded.model_dump()
    monkeypatch.chdir(file.parent.parent)  # a base's file is looked for beside the recipe's
    assert recipe.load(second) == recipe.load(second.relative_to(file.parent.parent))
    assert recipe.load(file).crop.scale == 1.2


def test_a_recipe_of_the_package_may_be_a_base(file: Path) -> None:
    loaded = recipe.load(child(file, "base: nose-tip-a4\nname: mine\nepochs: 2\n"))
    whole = recipe.load("nose-tip-a4")
    assert loaded == whole.model_copy(update={"name": "mine", "epochs": 2})


def test_what_is_of_another_kind_takes_no_options_of_the_base(file: Path) -> None:
    child(file, TEXT.replace("{name: soft_argmax}", "{name: soft_argmax, sigma: 2}"), "base.yaml")
    other = child(
        file,
        "base: base.yaml\nnetwork: {name: simple, channels: [4]}\ncodec: {name: regression, loss: mse}\n"
        "data: {validation: {subjects: [a]}}\n",
    )
    loaded = recipe.load(other)
    assert loaded.network == {"name": "simple", "channels": [4]}
    assert loaded.codec == {"name": "regression", "loss": "mse"}
    assert loaded.data.validation.subjects == ["a"]
    again = recipe.load(child(file, "base: child.yaml\ndata: {validation: {by: subject}}\n", "third.yaml"))
    assert again.data.held_out == "20% of the subjects, seed 0"
    fourth = child(file, "base: third.yaml\ndata: {validation: {seed: 5}}\nnetwork: {hidden: [8]}\n", "fourth.yaml")
    assert recipe.load(fourth).data.held_out == "20% of the subjects, seed 5"
    assert recipe.load(fourth).network == {"name": "simple", "channels": [4], "hidden": [8]}
    same = recipe.load(child(file, "base: base.yaml\ncodec: {name: soft_argmax, point_weight: 0}\n", "same.yaml"))
    assert same.codec == {"name": "soft_argmax", "sigma": 2, "point_weight": 0}


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (
            ["base: nothing"],
            r"a\.yaml: base: unknown recipe 'nothing'; choose a \.yaml .* one of: .*resnet18-ibug",
        ),
        (["base: gone.yaml"], r"a\.yaml: base: .*gone\.yaml: cannot be read"),
        (["base: [b.yaml]"], r"a\.yaml: base: expected another recipe's name or file, got \['b.yaml'\]"),
        (["base:"], r"a\.yaml: base: expected another recipe's name or file, got None"),
        (["base: a.yaml"], r"a\.yaml: base: a recipe cannot be its own base: a\.yaml → a\.yaml"),
        (["base: b.yaml", "base: c.yaml", "base: b.yaml"], r"a\.yaml: base: .*own base: b\.yaml → c\.yaml → b\.yaml"),
        (["base: b.yaml", "base: nothing"], r"a\.yaml: base: .*b\.yaml: base: unknown recipe 'nothing'"),
        (["base: b.yaml\nepoch: 3", TEXT], r"a\.yaml: epoch: unknown key"),
    ],
)
def test_a_wrong_base_is_named(file: Path, texts: list[str], says: str) -> None:
    for name, text in zip("abc", texts, strict=False):
        child(file, text + "\n", f"{name}.yaml")
    with pytest.raises(RecipeError, match=says):
        recipe.load(file.parent / "a.yaml")


def test_titles_are_a_recipes_own_or_its_bases(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "plain": "# What it is.\nname: plain\n",
        "titled": "# No title.\nname: titled\ntitle: Its own\n",
        "heir": "# No title.\nname: heir\nbase: titled\n",
        "other": "# No title.\nname: other\nbase: heir\ntitle: Another\n",
        "bare": "# What it is, too.\nname: bare\nbase: plain\n",
    }
    monkeypatch.setattr(recipe, "names", lambda: list(texts))
    monkeypatch.setattr(recipe, "_text", lambda name: texts[str(name)])
    assert list(recipe.titles().values()) == ["What it is.", "Its own", "Its own", "Another", "What it is, too."]


# ---------------------------------------------------------------- network and codec


def test_the_codec_learns_the_network_stride(file: Path) -> None:
    network, codec = module.build(recipe.load(file), 3)
    assert codec.heatmap_size == (16, 16)
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["codec={name: regression}"],
            "regression reads a vector, .* gives a heatmap; choose one of: argmax, dark",
        ),
        (["network.head=regression"], "soft_argmax reads a heatmap, .* gives a vector; choose one of: regression"),
    ],
)
def test_a_codec_that_does_not_fit_the_head_is_named(file: Path, overrides: list[str], says: str) -> None:
    with pytest.raises(RecipeError, match=rf"codec\.name: {says}"):
        module.build(recipe.load(file, overrides), 3)


def test_other_misfits_are_named(file: Path) -> None:
    with pytest.raises(RecipeError, match=r"crop\.size: \(62, 64\) gives maps \(16, 16\) .* choose multiples of 4"):
        module.build(recipe.load(file, ["crop.size=[62, 64]"]), 3)
    with pytest.raises(RecipeError, match=r"network\.name: unknown network 'vgg'; choose one of: .*resnet"):
        module.build(recipe.load(file, ["network.name=vgg"]), 3)


# ---------------------------------------------------------------- learning rates and averages


def test_the_cosine_rises_falls_and_ends_where_it_should(file: Path) -> None:
    factor = schedule.rate(recipe.load(file, ["schedule={warmup: 0.1, final: 0.02}"]), 10)  # of 100 steps
    assert [factor(i) for i in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(10) == pytest.approx(1)
    assert factor(55) == pytest.approx(0.02 + 0.98 / 2)
    assert factor(100) == factor(500) == pytest.approx(0.02)
    rates = [factor(i) for i in range(10, 100)]
    assert rates == sorted(rates, reverse=True)


def test_steps_and_constants(file: Path) -> None:
    options = "schedule={name: step, warmup: 0, step: 2, gamma: 0.5}"
    factor = schedule.rate(recipe.load(file, [options]), 10)
    assert [factor(i) for i in (0, 19, 20, 39, 40)] == [1, 1, 0.5, 0.5, 0.25]
    factor = schedule.rate(recipe.load(file, ["schedule={name: constant, warmup: 0}"]), 10)
    assert {factor(i) for i in range(60)} == {1.0}


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_biases_and_norms_are_not_decayed(file: Path, name: str) -> None:
    loaded = recipe.load(file, [f"optimizer={{name: {name}, lr: 0.01, weight_decay: 0.1}}"])
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = schedule.optimizer(loaded, network)
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decays == {id(p): 0.1 if p.ndim > 1 else 0.0 for p in network.parameters()}
    assert {g["lr"] for g in optimizer.param_groups} == {0.01}
    before = network[0].weight.detach().clone()
    network(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(before, network[0].weight)


def test_the_average_by_hand() -> None:
    network = nn.BatchNorm1d(1)
    average = schedule.Average(network, decay=0.25)
    with torch.no_grad():
        network.weight.fill_(3.0)
    average.update(network)  # the first decay is min(0.25, 2 / 11)
    assert average.state["weight"].item() == pytest.approx(1 * 2 / 11 + 3 * 9 / 11)
    for _ in range(50):
        network.num_batches_tracked += 1
        average.update(network)
    assert average.state["weight"].item() == pytest.approx(3)
    assert average.state["num_batches_tracked"].item() == 50
    with torch.no_grad():
        network.weight.fill_(7.0)
    with average.applied(network):
        assert network.weight.item() == pytest.approx(3)
    assert network.weight.item() == 7
    with pytest.raises(KeyError), average.applied(network):
        raise KeyError
    assert network.weight.item() == 7
    assert math.isfinite(average.state["bias"].item())
