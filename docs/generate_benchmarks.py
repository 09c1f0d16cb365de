"""Write ``docs/benchmarks.md`` from the committed JSON in ``benchmarks/results``.

    python docs/generate_benchmarks.py [--check]

With ``--check`` nothing is written, and it fails when the page is out of date.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from facekp.benchmark.machine import machine_line

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

<!-- Written by docs/generate_benchmarks.py from benchmarks/results/*.json: do not edit. -->
<!-- code: page skip: what was run for the record, on data sets that are not in the repository -->

Every number here was measured by the command beside it. 300-W's LFPW test set (224 faces) was not used to choose
anything: it is run once for each weight that ships, and every run stays in `benchmarks/results`.
"""


def accuracy() -> str:
    lines = [
        "## Accuracy",
        "",
        "NME is the mean error over the distance of the outer eye corners. With *labelled* boxes a face is cut out by "
        "the extent of its labelled points. *Moved* boxes are these, off by up to 15 % of their sides in place and 15 "
        "% in size; faces are then cut out again as in use. With *finder* boxes the whole picture is given to the "
        "finder, and of its faces the one of highest IoU with the labelled box counts; a face that is missed, or "
        "whose NME is 15 % or more, counts 15 %. A face that the finder's box cuts out badly is looked at again, as "
        "`facekp.Detector` does. Three of the photographs are in LFPW's train folder, too (test 0007, 0066 and 0096 "
        "are train 0862, 0215 and 0828): the first part of resnet18-ibug's training saw them, the later ones did "
        "not, nor did mobile-ibug, which learned from it. The interval is a 95 % bootstrap over faces. "
        "*Calibration* is the expected calibration error of the points' scores over ten bins of equal count. "
        "*Rank* is the rank correlation of expected with true errors, over all points, and within each point, "
        "averaged: to the second, what only says that jaws are harder than eyes adds "
        "nothing.",
        "",
        "| model | boxes | NME | 95 % interval | median | over 8 % | AUC@8 % | found | calibration | rank |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    commands, notes = [], []
    for path in sorted((ROOT / "benchmarks" / "results").glob("accuracy-*.json")):
        entry = json.loads(path.read_text("utf-8"))["history"][-1]
        for r in entry["reports"]:
            lines.append(_row(r))
            commands.append(r["command"])
        machine = entry["reports"][0]["environment"]
        notes += _by_yaw(entry["reports"])
        notes.append(
            f"`{entry['reports'][0]['model']}`: {entry['date']}, facekp {machine['facekp']}, torch {machine['torch']}, "
            f"{machine['device']}, {machine['machine']}; weights {entry['sha256'][:12]}."
        )
    fence = "```sh\n" + "\n".join(commands) + "\n```"
    return "\n".join(
        [
            *lines,
            "",
            *"\n\n".join(notes).split("\n"),
            "",
            fence,
            "",
            "All at once, recorded: `python benchmarks/accuracy.py`.",
        ]
    )


def _row(r: dict[str, Any]) -> str:
    low, high = r["nme_interval"]
    return (
        f"| `{r['model']}` | {r['boxes']} | **{r['nme']:.2%}** | {low:.2%} to {high:.2%} | {r['median']:.2%} | "
        f"{r['failure_rate_8']:.2%} | {r['auc_8']:.3f} | {r['found']:.2%} | {r['calibration_error']:.3f} | "
        f"{_ranks(r)} |"
    )


def _ranks(r: dict[str, Any]) -> str:
    if r.get("rank_correlation") is None:
        return ""
    return f"{r['rank_correlation']:.2f}, {r['rank_correlation_within']:.2f}"


def _by_yaw(reports: list[dict[str, Any]]) -> list[str]:
    """How a model does on turned heads, in labelled boxes."""
    (labelled,) = [r for r in reports if r["boxes"] == "labelled"]
    parts = [f"{name}°: {m['nme']:.2%} ({m['faces']})" for name, m in labelled.get("yaw", {}).items()]
    if not parts:
        return []
    return [f"`{labelled['model']}` by the head's yaw, NME in labelled boxes (faces): {'; '.join(parts)}."]


def validation() -> str:
    lines = [
        "## On the validation list",
        "",
        "Choices are made on 201 faces that are cut from the train folders "
        "(`src/facekp/recipes/validation/300w.txt`) and never trained on. Training measures them at its end.",
        "",
        "| model | measured |",
        "|---|---|",
    ]
    for path in sorted((ROOT / "src" / "facekp" / "weights").glob("*/config.json")):
        config = json.loads(path.read_text("utf-8"))
        numbers = config["metrics"][0] if isinstance(config["metrics"], list) else config["metrics"]
        said = _finder_validation(numbers) if "recall" in numbers else _keypoints_validation(numbers)
        lines.append(f"| `{config['name']}` | {said} |")
    return "\n".join(lines)


def _keypoints_validation(m: dict[str, Any]) -> str:
    return (
        f"{m['faces']} faces in {m['boxes']} boxes: {m['normalizer'].replace('_', '-')} NME **{m['nme']:.2%}**, over "
        f"8 %: {m['failure_rate_8']:.1%}, AUC@8 % {m['auc_8']:.3f}, calibration error of the scores "
        f"{m['calibration_error']:.3f}"
    )


def _finder_validation(m: dict[str, Any]) -> str:
    return (
        f"{m['frames']} whole pictures: **{m['recall']:.1%}** of the labelled faces found (IoU 0.5 or more, by a score "
        f"from the shipped threshold on; {m['recall_any']:.1%} by any), with a mean IoU of {m['iou']:.2f}; average "
        f"precision over all faces {m['ap']:.3f}; {m['false']:.2f} other finds a picture, real faces that nobody "
        f"labelled among them, and {m['false_without_faces']:.2f} where the faces are painted over. Turned by 0 to 330 "
        f"degrees: {m['turned_recall']:.1%} found, the angle wrong by {m['turned_error']:.0f} degrees (median), for "
        f"{m['turned_wrong']:.0%} of them by more than 15. Calibration error of the scores {m['calibration_error']:.4f}"
    )


def finder() -> str:
    """Every finder's last report, each a file that ``facekp benchmark finder --output`` wrote."""
    lines = [
        "## The finder, end to end",
        "",
        "Asked for are the faces whose NME is under 8 % in their labelled boxes. The whole picture, changed as said, "
        "is given to the detector, and of its faces the one of highest IoU with the labelled box counts. It is "
        "*found* when its NME is under 8 %, or under 15 % where it was made small. *Located*: some box's centre lies "
        "in the labelled box, and it is between half and twice as wide; that can be said of other libraries' finders, "
        "too. Turned pictures have grown, so that nothing is cut off.",
    ]
    reports = sorted((ROOT / "benchmarks" / "results").glob("finder-*.json"))
    for path in reports:
        lines += ["", *_finder_report(json.loads(path.read_text("utf-8")), path.name)]
    path = ROOT / "benchmarks" / "results" / "finders.json"
    if path.exists():
        lines += ["", *_finders(json.loads(path.read_text("utf-8")))]
    path = ROOT / "benchmarks" / "results" / "reach.json"
    if path.exists():
        lines += ["", *_reach(json.loads(path.read_text("utf-8")))]
    for path in sorted((ROOT / "benchmarks" / "results").glob("face_score-*.json")):
        lines += ["", *_face_score(json.loads(path.read_text("utf-8")))]
    return "\n".join(lines) if reports else ""


def _face_score(r: dict[str, Any]) -> list[str]:
    """What a model's verdict does at every threshold."""
    table, pictures = r["by_threshold"], r["pictures"]
    kinds = list(next(iter(table.values()))["faces_by_kind"])
    finder = r.get("finder", "finder")
    by, word = (f", found by `{finder}`", f" {finder}") if finder != "finder" else ("", "")
    lines = [
        f"### Is it a face? The score of `{r['model']}`'s faces{by}",
        "",
        "On the validation list, every third picture under each hardship, and all with their faces painted over or cut "
        f"away ({pictures['without']} pictures); each half of them by weights fitted to the other half. The "
        f"calibration error over all {r['candidates']['faces'] + r['candidates']['others']} candidates is "
        f"{r['calibration_error']:.3f}. Shipped: faces from {r['face_score']['min_score']:g} on. Pictures with "
        "strangers' faces that nobody labelled, five found by looking, were left out of those without faces.",
        "",
        "| from | faces kept | " + " | ".join(kinds) + " | false alarms |",
        "|" + "---|" * (3 + len(kinds)),
    ]
    for threshold, row in table.items():
        shares = " | ".join(f"{row['faces_by_kind'][kind]:.1%}" for kind in kinds)
        lines.append(f"| {threshold} | **{row['faces']:.1%}** | {shares} | {row['others']} |")
    before, after = r["thrift"]["every candidate"], r["thrift"]["the likely"]
    lines += [
        "",
        f"With a first look at every candidate from {r['face_score']['least']:g} on, and a second one wherever the "
        f"crop was off, {before['faces']} of those {pictures['with']} faces are found with {before['looks']:g} looks a "
        f"picture. With the rules that ship, {after['faces']} with {after['looks']:g}: candidates under "
        f"{r['face_score']['likely']:g} count only where the finder is sure of none, and what is a face with less than "
        f"{r['face_score']['again']:g} after the first look gets no second.",
    ]
    return [*lines, "", f"```sh\npython benchmarks/face_score.py {r['model']} DATA/300w{word}\n```"]


def _finder_report(r: dict[str, Any], name: str) -> list[str]:
    whole, cost, machine, peers = r["end_to_end"], r["cost"], r["environment"], r["peers"]
    titles = [f"{peer['name']} {peer['version']}, located" for peer in peers]
    if peers and r["peer_faces"] < r["asked"]:
        titles = [f"{title} of {r['peer_faces']}" for title in ["facekp, located", *titles]]
        peers = [{"name": "facekp"}, *peers]
    lines = [
        f"### {r['data']}",
        "",
        *([f"**{r['note']}**", ""] if "note" in r else []),
        f"{r['asked']} of {r['faces']} faces are asked for. As they are, {whole['lost']} are lost; the mean NME of the "
        f"others is {whole['nme']:.2%}, with labelled boxes {whole['nme_labelled']:.2%} ({whole['relative']:+.1%}).",
        "",
        "| " + " | ".join(["", "found", "of those found as they are", "located", *titles]) + " |",
        "|" + "---|" * (4 + len(titles)),
    ]
    for title, row in r["conditions"].items():
        others = [str(row["located_by_peers"][peer["name"]]) for peer in peers]
        cells = [title, f"{row['found']}", f"**{row['of_first']:.1%}**", f"{row['located']}", *others]
        lines.append("| " + " | ".join(cells) + " |")
    alarms = [f"{a['alarms']} in {a['pictures']} pictures ({kind})" for kind, a in r["false_alarms"].items()]
    times = [f"finding {cost['finder_ms']:g} ms, with keypoints {cost['detector_ms']:g} ms"]
    peers = r["peers"]
    times += [f"{peer['name']} ({peer['what']}) {cost[peer['name'] + '_ms']:g} ms" for peer in peers]
    size = "" if cost["finder_kilobytes"] is None else f" The finder's weights take {cost['finder_kilobytes']:g} kB."
    memory = "" if cost["memory_mib"] is None else f" Loading and one frame take {cost['memory_mib']:g} MiB of memory."
    return [
        *lines,
        "",
        f"False alarms: {'; '.join(alarms)}. In 300-W's pictures some are faces that nobody labelled.",
        "",
        f"A frame of 640 x 480, the best of several rounds in turns: {', '.join(times)}.{memory}{size} "
        f"({machine['machine']}, facekp {machine['facekp']}, torch {machine['torch']}; `benchmarks/results/{name}`.)",
    ]


def _finders(r: dict[str, Any]) -> list[str]:
    """The shipped finders, side by side."""
    names, model = list(r["finders"]), r["model"]
    lines = [
        f"### The finders compared, with the points of `{model}`",
        "",
        "300-W's validation list, faces found as above. *Painted over* and *cut away*: false alarms without faces.",
        "",
        "| " + " | ".join(["", *(f"`{name}`" for name in names)]) + " |",
        "|" + "---|" * (1 + len(names)),
    ]
    rows = list(r["finders"].values())
    for title in rows[0]["conditions"]:
        lines.append(f"| {title} | " + " | ".join(f"{row['conditions'][title]['found']}" for row in rows) + " |")
    for kind in rows[0]["false_alarms"]:
        lines.append(f"| {kind} | " + " | ".join(f"{row['false_alarms'][kind]['alarms']}" for row in rows) + " |")
    pairs = [
        ("NME of those found as they are", lambda row: f"{row['end_to_end']['nme']:.2%}"),
        ("LFPW's test set: found, NME", lambda row: "{found:.1%}, {nme:.2%}".format(**row["lfpw/testset"])),
        ("finding in 640 x 480, ms, best", lambda row: f"{row['cost']['finder_ms']:g}"),
        ("weights, kB", lambda row: f"{row['cost']['finder_kilobytes']:g}"),
    ]
    lines += [f"| {title} | {' | '.join(map(show, rows))} |" for title, show in pairs]
    about = rows[0]["environment"]
    return [
        *lines,
        "",
        f"{rows[0]['asked']} faces asked for; {r['date']}, {about['machine']}, facekp {about['facekp']}, torch "
        f"{about['torch']}.",
        "",
        f"```sh\n{r['command']}\n```",
    ]


def _reach(r: dict[str, Any]) -> list[str]:
    """How small a face each finder locates, by the side to which it scales pictures."""
    lines = [
        "### How small a face is found",
        "",
        f"The {r['faces']} pictures of the validation list, each in the middle of a grey square of 640 pixels, so that "
        "the face takes this share of its width; of these faces so many are *located*, with the points of "
        f'`{r["model"]}` (`precision="int8"`) and `finder_side` as said.',
        "",
        "| | side | " + " | ".join(f"{share:.0%}" for share in r["shares"]) + " |",
        "|" + "---|" * (2 + len(r["shares"])),
    ]
    for row in r["rows"]:
        name = row["name"] if row["side"] is None else f"`{row['name']}`"
        cells = " | ".join(f"{count / r['faces']:.0%}" for count in row["located"])
        lines.append(f"| {name} | {row['side'] or ''} | {cells} |")
    return [*lines, "", f"{machine_line(r['machine'])}.", "", f"```sh\n{r['command']}\n```"]


def integers() -> str:
    """What ``benchmarks/int8.py`` wrote of each model."""
    lines = [
        "## In integers",
        "",
        'What `precision="int8"` costs in accuracy; what it gains in time is under [Speed](#speed). *Apart*: how far a '
        "point is from float32's, over the distance of the outer eye corners.",
        "",
        "| model | data | boxes | NME, float32 | NME, int8 | over 8 %, int8 | calibration, float32 | calibration, int8 "
        "| apart, mean and 99 % of the points |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    commands = []
    for path in sorted((ROOT / "benchmarks" / "results").glob("int8-*.json")):
        result = json.loads(path.read_text("utf-8"))
        commands.append(result["command"])
        for row in result["rows"]:
            apart = " and ".join(f"{row['apart'][key]:.2%}" for key in ("mean", "99 %"))
            for boxes, exact in row["float32"].items():
                whole = row["int8"][boxes]
                cells = [
                    path.stem.removeprefix("int8-"),
                    row["data"],
                    boxes,
                    f"{exact['nme']:.2%}",
                    f"**{whole['nme']:.2%}**",
                ]
                cells += [f"{whole['failure_rate_8']:.1%}", *(f"{r['calibration_error']:.3f}" for r in (exact, whole))]
                lines.append(f"| {' | '.join([*cells, apart if boxes == 'labelled' else ''])} |")
    fence = "```sh\n" + "\n".join(commands) + "\n```"
    return "\n".join([*lines, "", fence])


def speed() -> str:
    """Every report that ``facekp benchmark speed --output`` wrote."""
    import speed_section  # late: it imports facekp

    paths = sorted((ROOT / "benchmarks" / "results").glob("speed*.json"))
    return speed_section.section([(path.name, json.loads(path.read_text("utf-8"))) for path in paths]) if paths else ""


def video() -> str:
    """What ``benchmarks/video.py`` wrote, of each model, and ``benchmarks/carried.py``."""
    import video_section  # late, as speed_section

    paths = sorted((ROOT / "benchmarks" / "results").glob("video-*.json"))
    flow = ROOT / "benchmarks" / "results" / "carried.json"
    carried = json.loads(flow.read_text("utf-8")) if flow.exists() else None
    return video_section.section([json.loads(path.read_text("utf-8")) for path in paths], carried) if paths else ""


def packed() -> str:
    r = json.loads((ROOT / "benchmarks" / "results" / "packed.json").read_text("utf-8"))
    machine, crops = r["environment"], r["crops_per_s"]
    lines = [
        "## A packed cache",
        "",
        f"`facekp pack` with its defaults (crops of at most {r['side']} px, {r['scale']:g} times the face's box): "
        f"{r['faces']:,} faces, {r['megabytes']:,} MB, made from {r['data']}.",
        "",
        "| | |",
        "|---|---|",
        f"| packing, CPU time | {r['pack_cpu_s']:.0f} s |",
        f"| opening {r['faces']:,} faces | **{r['open_ms']:.0f} ms** |",
        f"| resident memory once opened | {r['open_mib']} MiB, of it {r['open_own_mib']} MiB the process's own |",
        f"| and after reading {r['touched']} faces | {r['touch_mib']} MiB more, {r['touch_own_mib']} MiB its own |",
        "",
        "What is not the process's own are pages of the file, which all processes share and the system takes back when "
        f"memory is short. Crops of 128x128 in a second of CPU time, of {r['timed']} faces, reading included:",
        "",
        "| augmentation | from the pictures | from the cache |",
        "|---|---|---|",
    ]
    lines += [f"| `{preset}` | {c['pictures']:,} | **{c['packed']:,}** |" for preset, c in crops.items()]
    note = (
        f"{r['date']}, facekp {machine['facekp']}, Python {machine['python']}, numpy {machine['numpy']}, OpenCV "
        f"{machine['opencv']}, {machine['machine']}; the machine's load before was {machine['load_before']:g}. The "
        "file was in the system's page cache."
    )
    return "\n".join([*lines, "", note, "", f"```sh\n{r['command']}\n```"])


def augmentation() -> str:
    r = json.loads((ROOT / "benchmarks" / "results" / "transforms.json").read_text("utf-8"))
    rates, more, batch = r["samples_per_second"], r["extra_geometric_transform"], r["batch_warp_cpu"]
    lines = [
        "## Augmentation",
        "",
        "The `strong` preset from a frame of 500x500 to a crop of 128x128 with its 68 points, on one core, beside the "
        "nearest counterparts of its operations at the same probabilities. What a peer lacks (torchvision: gamma, "
        "tint, shading, motion blur) is left out, in its favour. All in one run, in turns; the best of several rounds "
        "of CPU time counts, as other work on the machine can only slow a round down.",
        "",
        "| | samples a second | facekp is faster |",
        "|---|---|---|",
    ]
    for name, rate in rates.items():
        times = r["facekp_is_faster"].get(name)
        lines.append(f"| {name} | **{rate:,}** | {f'{times:g} times' if times else ''} |")
    said = (
        f"One more geometric transform costs {more['microseconds']:g} µs, {more['share']:.1%} of the pipeline. "
        f"`BatchWarp` on the CPU, one thread, 256 crops of 96x96 at a time: {batch['classic']:,} samples a second of "
        f"`classic`, {batch['strong']:,} of `strong`."
    )
    versions = ", ".join(f"{name} {version}" for name, version in r["versions"].items())
    lines += ["", said, "", f"{r['date']}, {versions}, {r['machine']}.", "", f"```sh\n{r['command']}\n```"]
    for name, code in r["code"].items():
        lines += ["", f"The code of {name}:", "", f"```python\n{code.rstrip()}\n```"]
    return "\n".join(lines)


def codecs() -> str:
    results = json.loads((ROOT / "benchmarks" / "results" / "decoders.json").read_text("utf-8"))
    rows = {(r["codec"], r["sigma"], r["condition"]): r for r in results["errors"] if r["stride"] == 4}
    names = list(dict.fromkeys(name for name, _, _ in rows))
    speed = results["speed"]
    lines = [
        "## Codecs",
        "",
        "Points are encoded, turned into the output that means exactly this, and decoded; errors in heatmap pixels. "
        "*Clean*: points at least 3 sigma inside the map; *noise*: the same, with noise of 2 % of the peak on every "
        "value (a global centre of mass or expectation is drawn to the map's middle by it); *border*: points within "
        "3 sigma of the map's edge. Mean, then the 99th percentile. *Bias* is the length of the mean error of the "
        "clean points. 256 points, maps of 128 x 128, stride 4; strides 1, 2 and 8 and sigmas up to 11 are in "
        "`benchmarks/results/decoders.json`, and no map's error depends on the stride. These are the codecs' own "
        "errors: what a network adds is another matter.",
        "",
        "| codec | sigma 1, clean | sigma 2, clean | bias | sigma 2, noise | sigma 2, border | sigma 7, clean | "
        "sigma 7, noise |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        bias = math.hypot(*rows[name, 2, "clean"]["bias"])
        cells = [
            f"{r['mean']:.3f}, {r['p99']:.3f}"
            for r in (rows[name, s, c] for s, c in ((1, "clean"), (2, "clean"), (2, "noise"), (2, "border")))
        ] + [f"{rows[name, 7, c]['mean']:.3f}, {rows[name, 7, c]['p99']:.3f}" for c in ("clean", "noise")]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {bias:.3f} | {' | '.join(cells[2:])} |")
    return "\n".join([*lines, "", *_codec_speed(speed)])


def _codec_speed(speed: dict[str, Any]) -> list[str]:
    lines = [
        f"Decoding {speed['faces']} faces x 68 maps of 64 x 64, points and scores: seconds of CPU time, "
        f"best of several runs in turn ({speed['machine']}, torch {speed['torch']}, {speed['date']}):",
        "",
        "| | facekp | a loop over the maps in numpy | kornia's `spatial_soft_argmax2d` (points only) |",
        "|---|---|---|---|",
    ]
    for name, runs in speed["decode"].items():
        kornia = runs.get("kornia, points only")
        its = f"{kornia['min']:.2f}" if kornia else "-"
        lines.append(f"| {name} | **{runs['facekp']['min']:.2f}** | {runs['numpy loop']['min']:.2f} | {its} |")
    times = ", ".join(f"{name} {value:.0f}" for name, value in speed["microseconds_per_face"].items())
    return [*lines, "", f"Microseconds per face of 68 points: {times}.", "", f"```sh\n{speed['command']}\n```"]


def main() -> None:
    parts = [accuracy(), validation(), finder(), speed(), integers(), video(), codecs(), packed(), augmentation()]
    page = "\n".join([HEAD, "\n\n".join(part for part in parts if part), ""])
    if "--check" in sys.argv[1:]:
        if PAGE.read_text("utf-8") != page:
            sys.exit("docs/benchmarks.md is out of date: run  python docs/generate_benchmarks.py")
        return
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
