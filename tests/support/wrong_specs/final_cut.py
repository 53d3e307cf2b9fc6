"""Wrong specs: one wrong value for each key of `compose` and `layout`, and for pairs of them."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, INPUTS, SCRIPT, STILL

MEDIA = """\
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: a lamp}
  voice:
    uses: generate
    with: {model: elevenlabs-turbo-2-5, prompt: Hello, params: {voice: TX3LPaxmHKxFdv7VOQHJ}}
  reel:
    uses: compose
    with: {clips: [clip.mp4], formats: ["1:1", "9:16"], extras: [gif]}
"""
SHOTS = """\
  shots:
    uses: generate
    matrix: {light: [day, night]}
    with: {model: z-image, prompt: "a lamp, ${{ matrix.light }}"}
"""
FILM, VOICE, PHOTO = (
    "${{ steps.film.asset }}",
    "${{ steps.voice.asset }}",
    "${{ steps.still.asset }}",
)


def compose(arguments: str) -> str:
    """A spec with these arguments of a `compose`, after one film."""
    return step("compose", f"clips: [clip.mp4], {arguments}")


def layout(arguments: str) -> str:
    """A spec with these arguments of a `layout`, after its image."""
    return step("layout", f"image: photo.png, {arguments}")


def step(uses: str, arguments: str) -> str:
    """A spec with these arguments of a step."""
    return (
        f"{HEAD}{INPUTS}steps:\n{STILL}{SCRIPT}{MEDIA}"
        f"  spot:\n    uses: {uses}\n    with: {{{arguments}}}\n"
    )


def clips(arguments: str) -> str:
    """A spec with these clips."""
    return step("compose", f"clips: [{arguments}]")


FINAL_CUT = {
    "clip without media": (
        "missing-key",
        clips("☞{seconds: 2}"),
        'add `media: "${{ steps.NAME.asset }}"`',
    ),
    "title of no part": (
        "unknown-key",
        compose("☞title: Hello"),
        "write it inside `end_card`, or `overlays: [{text: …}]` to show it over the pictures",
    ),
    "seconds of no part": (
        "unknown-key",
        compose("☞seconds: 3"),
        "write it inside `clips` or `transition` or `overlays` or `end_card`",
    ),
    "clip with an unknown key": (
        "unknown-key",
        clips("{media: a.mp4, ☞second: 2}"),
        "did you mean 'seconds'? there are: media, seconds, start, motion",
    ),
    "clip that is a number": ("wrong-type", clips("☞5"), "write a path such as photos/logo.png"),
    "clip of nothing": ("missing-key", clips("{media: ☞null}"), "write a value after `media:`"),
    "clip of audio": ("wrong-type", clips("☞voice.mp3"), "use an image or a video, or remove it"),
    "clip of an audio step": (
        "wrong-type",
        clips(f"☞'{VOICE}'"),
        "use an image or a video, or remove it",
    ),
    "clip of audio in a map": (
        "wrong-type",
        clips(f"{{media: ☞'{VOICE}', motion: push-in}}"),
        "use an image or a video, or remove it",
    ),
    "clip of a text": (
        "wrong-type",
        clips("{media: ☞'${{ steps.script.json }}'}"),
        "name one of its fields, or write `| json`",
    ),
    "clip of nothing shown": (
        "out-of-range",
        clips("{media: a.mp4, seconds: ☞0}"),
        "write more than 0",
    ),
    "clip of a long time": (
        "out-of-range",
        clips("{media: a.mp4, seconds: ☞99999}"),
        "write at most 3600",
    ),
    "clip of quoted seconds": (
        "wrong-type",
        clips("{media: a.mp4, seconds: ☞'2'}"),
        "write the number without quotes",
    ),
    "clip of computed text seconds": (
        "wrong-type",
        clips("{media: a.mp4, seconds: ☞'${{ inputs.product }}'}"),
        "write `| int` after it",
    ),
    "clip start": ("out-of-range", clips("{media: a.mp4, start: ☞-1}"), "write at least 0"),
    "start of a still": (
        "needless-key",
        clips("{media: a.png, ☞start: 1}"),
        "remove it; `seconds` is how long it is shown",
    ),
    "start of a computed still": (
        "needless-key",
        clips(f"{{media: '{PHOTO}', ☞start: 1}}"),
        "remove it; `seconds` is how long it is shown",
    ),
    "motion": (
        "wrong-choice",
        clips("{media: a.mp4, motion: ☞push}"),
        "did you mean 'push-in'? there are: push-in, pull-out, pan-left, pan-right, none",
    ),
    "clips computed no list": (
        "wrong-type",
        step("compose", f"clips: ☞'{FILM}'"),
        "write [ ] around it, or use .assets of a step with several items",
    ),
    "clips of audio computed": (
        "wrong-type",
        step("compose", "clips: ☞'${{ [steps.voice.asset] }}'"),
        "use an image or a video, or remove it",
    ),
    "clips one text": ("wrong-type", step("compose", "clips: ☞a.mp4"), "write [a.mp4]"),
    "clips empty": ("missing-key", step("compose", "clips: ☞[]"), "add an item, or remove it"),
    "too many clips": (
        "out-of-range",
        step("compose", "clips: ☞[" + ", ".join(["a.mp4"] * 101) + "]"),
        "write at most 100",
    ),
    "clips and video": ("needless-key", compose("☞video: b.mp4"), "remove one of them"),
    "clips and images": ("needless-key", compose("☞images: [b.png]"), "remove one of them"),
    "fit with clips": (
        "needless-key",
        compose("☞fit: loop"),
        "remove it; each clip says how long it is shown",
    ),
    "transition text": (
        "wrong-type",
        compose("transition: ☞fade"),
        "write `transition: {kind: fade}`",
    ),
    "transition kind": (
        "wrong-choice",
        compose("transition: {kind: ☞fad}"),
        "did you mean 'fade'? there are: cut, fade, slide",
    ),
    "transition seconds low": (
        "out-of-range",
        compose("transition: {kind: fade, seconds: ☞0.01}"),
        "write at least 0.05",
    ),
    "transition seconds high": (
        "out-of-range",
        compose("transition: {kind: fade, seconds: ☞6}"),
        "write at most 5",
    ),
    "transition key": (
        "unknown-key",
        compose("transition: {☞kin: fade}"),
        "did you mean 'kind'? there are: kind, seconds",
    ),
    "transition with video": (
        "needless-key",
        step("compose", "video: a.mp4, ☞transition: {kind: fade}"),
        "write the media as `clips`, or remove it",
    ),
    "transition longer than clip": (
        "wrong-value",
        clips(
            "a.mp4, {media: b.mp4, seconds: ☞0.3}], transition: {kind: fade, seconds: 0.4}, overlays: ["
        ),
        "show it longer, or make the transition shorter",
    ),
    "two transitions longer than clip": (
        "wrong-value",
        clips(
            "a.mp4, {media: b.mp4, seconds: ☞0.7}, c.mp4], transition: {kind: fade, seconds: 0.4}, overlays: ["
        ),
        "show it longer, or make the transition shorter",
    ),
    "narration photo file": (
        "bad-file",
        compose("narration: ☞photo.png"),
        "paths are relative to the folder of the spec",
    ),
    "narration photo": ("wrong-type", compose(f"narration: ☞'{PHOTO}'"), "use audio, or remove it"),
    "narration list": (
        "wrong-type",
        compose(f"narration: ☞['{VOICE}']"),
        "remove the [ ] around it",
    ),
    "narration number": (
        "wrong-type",
        compose("narration: ☞5"),
        "write a path such as photos/logo.png",
    ),
    "music text": ("wrong-type", compose("music: ☞a.mp3"), "write `music: {audio: a.mp3}`"),
    "music without audio": (
        "missing-key",
        compose("☞music: {level: -20}"),
        'add `audio: "${{ steps.NAME.asset }}"`',
    ),
    "music film": (
        "wrong-type",
        compose(f"music: {{audio: ☞'{FILM}'}}"),
        "use audio, or remove it",
    ),
    "music png": (
        "bad-file",
        compose("music: {audio: ☞a.png}"),
        "paths are relative to the folder of the spec",
    ),
    "music level": (
        "out-of-range",
        compose("music: {audio: a.mp3, level: ☞-70}"),
        "write at least -60",
    ),
    "music level high": (
        "out-of-range",
        compose("music: {audio: a.mp3, level: ☞0}"),
        "write at most -5",
    ),
    "music level text": (
        "wrong-type",
        compose("music: {audio: a.mp3, level: ☞loud}"),
        "write a number",
    ),
    "music duck": (
        "wrong-type",
        compose("music: {audio: a.mp3, duck: ☞'yes'}"),
        "write true or false",
    ),
    "music duck computed": (
        "wrong-type",
        compose("music: {audio: a.mp3, duck: ☞'${{ inputs.product }}'}"),
        "give a boolean",
    ),
    "music key": (
        "unknown-key",
        compose("music: {audio: a.mp3, ☞volume: 5}"),
        "did you mean 'level'? there are: audio, level, duck",
    ),
    "captions text plain": (
        "wrong-type",
        compose("captions: ☞Hello"),
        "write `captions: {text: Hello}`",
    ),
    "captions neither": (
        "missing-key",
        compose("☞captions: {style: plain}"),
        'write `text: "${{ steps.NAME.text }}"`, or `file: captions.srt`',
    ),
    "captions both": (
        "needless-key",
        compose("narration: a.mp3, captions: {text: Hi, ☞file: a.srt}"),
        "remove one of them",
    ),
    "captions without speech": (
        "missing-key",
        compose("captions: {text: ☞Hi}"),
        "add `narration:`, or give captions with their times as `file: captions.srt`",
    ),
    "captions number": (
        "wrong-type",
        compose("narration: a.mp3, captions: {text: ☞5}"),
        "put it in quotes",
    ),
    "captions of map": (
        "wrong-type",
        compose("narration: a.mp3, captions: {text: ☞'${{ steps.script.json }}'}"),
        "name one of its fields, or write `| json`",
    ),
    "captions empty": (
        "wrong-value",
        compose("narration: a.mp3, captions: {text: ☞''}"),
        "write it, or remove the key",
    ),
    "captions position": (
        "wrong-choice",
        compose("narration: a.mp3, captions: {text: Hi, position: ☞left}"),
        "there are: bottom, middle, top",
    ),
    "captions style": (
        "wrong-choice",
        compose("narration: a.mp3, captions: {text: Hi, style: ☞plane}"),
        "did you mean 'plate'? there are: plain, plate",
    ),
    "captions language": (
        "wrong-value",
        compose("narration: a.mp3, captions: {text: Hi, language: ☞english}"),
        "write en",
    ),
    "captions language that is none": (
        "wrong-value",
        compose("narration: a.mp3, captions: {text: Hi, language: ☞xx}"),
        "write its code, such as hi or en-GB",
    ),
    "captions colour": (
        "unknown-key",
        compose("narration: a.mp3, captions: {☞color: red, text: Hi}"),
        'colours and font come from `brand:` of the spec, as in `brand: {colours: ["#0b3d2e"]}`',
    ),
    "narration by another name": (
        "unknown-key",
        compose("☞voiceover: a.mp3"),
        "did you mean 'narration'? there are: clips, video, images, narration, music, audio, "
        "transition, captions, overlays, end_card, formats, reframe, extras, loudness, fit",
    ),
    "captions key": (
        "unknown-key",
        compose("narration: a.mp3, captions: {☞txt: Hi, text: Hi}"),
        "did you mean 'text'? there are: text, file, language, position, style",
    ),
    "captions cues": (
        "unknown-key",
        compose("narration: a.mp3, captions: {text: Hi, ☞cues: []}"),
        "there are: text, file, language, position, style",
    ),
    "captions file computed": (
        "expression-not-allowed",
        compose("captions: {file: ☞'${{ inputs.product }}'}"),
        "write its path",
    ),
    "overlay neither": (
        "missing-key",
        compose("overlays: [☞{width: 0.5}]"),
        "write `text: …`, or `image: logo.png`",
    ),
    "overlay both": (
        "needless-key",
        compose("overlays: [{image: a.png, ☞text: Hi}]"),
        "write two overlays",
    ),
    "overlay text": (
        "wrong-type",
        compose("overlays: [☞Hi]"),
        "write {text: …}, or {image: logo.png}",
    ),
    "overlays map": (
        "wrong-type",
        compose("overlays: ☞{text: Hi}"),
        "write [ ] around it, or `- ` before its first line",
    ),
    "overlay image mp4": (
        "bad-file",
        compose("overlays: [{image: ☞a.mp4}]"),
        "paths are relative to the folder of the spec",
    ),
    "overlay image film": (
        "wrong-type",
        compose(f"overlays: [{{image: ☞'{FILM}'}}]"),
        "use an image, or remove it",
    ),
    "overlay position": (
        "wrong-choice",
        compose("overlays: [{text: Hi, position: ☞topright}]"),
        "did you mean 'top-right'?",
    ),
    "overlay width 0": (
        "out-of-range",
        compose("overlays: [{text: Hi, width: ☞0}]"),
        "it is a share, 0 to 1: write 0.18",
    ),
    "overlay width": (
        "out-of-range",
        compose("overlays: [{text: Hi, width: ☞1.5}]"),
        "it is a share, 0 to 1: write 0.18",
    ),
    "overlay start": (
        "out-of-range",
        compose("overlays: [{text: Hi, start: ☞-1}]"),
        "write at least 0",
    ),
    "overlay seconds": (
        "out-of-range",
        compose("overlays: [{text: Hi, seconds: ☞0}]"),
        "write more than 0",
    ),
    "overlay key": (
        "unknown-key",
        compose("overlays: [{text: Hi, ☞pos: top}]"),
        "there are: image, text, position, width, start, seconds",
    ),
    "overlay long": (
        "wrong-value",
        compose("overlays: [{text: ☞" + "a" * 201 + "}]"),
        "shorten it to at most 200",
    ),
    "overlay late": (
        "wrong-value",
        clips("{media: a.mp4, seconds: 3}], overlays: [{text: Hi, start: ☞3}"),
        "write an earlier second",
    ),
    "overlay bare": (
        "missing-dollar",
        compose("overlays: [{text: ☞inputs.product}]"),
        "write ${{ inputs.product }}",
    ),
    "overlay unknown name": (
        "unknown-input",
        compose("overlays: [{text: '${{ ☞inputs.prodct }}'}]"),
        "did you mean 'product'? there are: product, styles, photo, ratio",
    ),
    "too many overlays": (
        "out-of-range",
        compose("overlays: ☞[" + ", ".join(["{text: a}"] * 21) + "]"),
        "write at most 20",
    ),
    "end card text": ("wrong-type", compose("end_card: ☞Hi"), "write `end_card: {title: Hi}`"),
    "end card nothing": ("missing-key", compose("☞end_card: {seconds: 2}"), "write `title: …`"),
    "end card title number": ("wrong-type", compose("end_card: {title: ☞5}"), "put it in quotes"),
    "end card title long": (
        "wrong-value",
        compose("end_card: {title: ☞" + "a" * 121 + "}"),
        "shorten it to at most 120",
    ),
    "end card line": ("wrong-type", compose("end_card: {line: ☞[a]}"), "write one line of text"),
    "end card image": (
        "bad-file",
        compose("end_card: {image: ☞a.mp3}"),
        "paths are relative to the folder of the spec",
    ),
    "end card seconds": (
        "out-of-range",
        compose("end_card: {title: Hi, seconds: ☞100}"),
        "write at most 60",
    ),
    "end card key": (
        "unknown-key",
        compose("end_card: {☞titel: Hi, title: Hi}"),
        "did you mean 'title'? there are: title, line, image, seconds",
    ),
    "formats unknown": ("wrong-choice", compose("formats: [☞'9:17']"), "did you mean '9:16'?"),
    "formats text": ("wrong-type", compose("formats: ☞'9:16'"), 'write ["9:16"]'),
    "formats twice": ("wrong-value", compose("formats: ['9:16', ☞'9:16']"), "remove it"),
    "formats empty": ("missing-key", compose("formats: ☞[]"), "add an item, or remove it"),
    "formats many": (
        "out-of-range",
        compose("formats: ☞['1:1', '16:9', '9:16', '4:5', '5:4', '3:2', '2:3']"),
        "write at most 6",
    ),
    "reframe": (
        "wrong-choice",
        compose("reframe: ☞crp"),
        "did you mean 'crop'? there are: crop, pad, blur",
    ),
    "extras unknown": (
        "wrong-choice",
        compose("extras: [☞psoter]"),
        "did you mean 'poster'? there are: poster, gif, srt, clean",
    ),
    "extras twice": ("wrong-value", compose("extras: [gif, ☞gif]"), "remove it"),
    "extras srt": ("wrong-value", compose("extras: [☞srt]"), "add `captions:`, or remove it"),
    "extras clean": ("wrong-value", compose("extras: [☞clean]"), "add `captions:`, or remove it"),
    "layout no image": (
        "missing-key",
        step("layout", "formats: ['1:1']").replace("with: {formats", "☞with: {formats"),
        'add `image: "${{ steps.NAME.asset }}"`',
    ),
    "layout image mp4": (
        "bad-file",
        step("layout", "image: ☞a.mp4"),
        "paths are relative to the folder of the spec",
    ),
    "layout image film": (
        "wrong-type",
        step("layout", f"image: ☞'{FILM}'"),
        "use an image, or remove it",
    ),
    "layout key": (
        "unknown-key",
        layout("☞clips: [a.mp4]"),
        "there are: image, overlays, formats, reframe",
    ),
    "layout format": (
        "wrong-choice",
        layout("formats: [☞1]"),
        "there are: 16:9, 9:16, 1:1, 4:5, 5:4, 4:3, 3:4, 3:2, 2:3, 21:9",
    ),
    "layout reframe": ("wrong-choice", layout("reframe: ☞5"), "there are: crop, pad, blur"),
    "layout overlay start": (
        "needless-key",
        layout("overlays: [{text: Hi, ☞start: 1}]"),
        "remove it",
    ),
    "loudness": ("out-of-range", compose("loudness: ☞0"), "write at most -5"),
    "unknown key": ("unknown-key", compose("☞caption: {text: Hi}"), "did you mean 'captions'?"),
    "output format": (
        "unknown-field",
        compose("end_card: {image: \"${{ ☞steps.reel.by['4:5'].asset }}\"}"),
        "there are: 1:1, 9:16",
    ),
    "output poster": (
        "unknown-field",
        compose("end_card: {image: '${{ ☞steps.reel.poster }}'}"),
        "add `extras: [poster]` to that step",
    ),
    "narration map": (
        "wrong-type",
        compose(f"narration: ☞{{audio: '{VOICE}'}}"),
        "give one asset, without { } or [ ]",
    ),
    "music audio list": (
        "wrong-type",
        compose(f"music: {{audio: ☞['{VOICE}']}}"),
        "give one asset, without { } or [ ]",
    ),
    "music computed": (
        "wrong-type",
        compose(f"music: ☞'{VOICE}'"),
        'write `music: {audio: "${{ steps.voice.asset }}"}`',
    ),
    "transition without kind": (
        "needless-key",
        compose("transition: {☞seconds: 1}"),
        "write `kind: fade` beside it, or remove it",
    ),
    "transition in other words": (
        "wrong-type",
        compose("transition: ☞dissolve"),
        "write `transition: {kind: fade}`",
    ),
    "transition with a unit": (
        "wrong-type",
        compose("transition: {kind: fade, seconds: ☞400ms}"),
        "write the number alone: 0.4",
    ),
    "overlay width in percent": (
        "wrong-type",
        compose("overlays: [{text: Hi, width: ☞18%}]"),
        "it is a share, 0 to 1: write 0.18",
    ),
    "overlay width in pixels": (
        "wrong-type",
        compose("overlays: [{text: Hi, width: ☞180px}]"),
        "it is a share, 0 to 1: write 0.18",
    ),
    "overlay duration": (
        "unknown-key",
        compose("overlays: [{text: Hi, ☞duration: 3}]"),
        "did you mean 'seconds'? there are: image, text, position, width, start, seconds",
    ),
    "captions named": (
        "wrong-type",
        compose("narration: a.mp3, captions: ☞subs.srt"),
        "write `captions: {file: subs.srt}`",
    ),
    "end card off": (
        "wrong-type",
        compose("end_card: ☞false"),
        "remove it: without it there is none",
    ),
    "formats in words": ("wrong-choice", compose("formats: [☞vertical]"), "did you mean '9:16'?"),
    "clip motion zoom": (
        "wrong-choice",
        clips("{media: a.png, motion: ☞zoom-in}"),
        "did you mean 'push-in'?",
    ),
    "clip of a whole step": (
        "wrong-type",
        clips("☞'${{ steps.film }}'"),
        "write .asset after it; .assets instead of .items gives a list of them",
    ),
    "overlays of an answer": (
        "wrong-type",
        layout("overlays: ☞'${{ steps.script.json.tags }}'"),
        'write [{text: "…"}], with one text in each map',
    ),
    "clips of items": (
        "wrong-type",
        step("compose", "clips: ☞'${{ steps.shots.items }}'").replace(
            "steps:\n", f"steps:\n{SHOTS}"
        ),
        "write .asset after it; .assets instead of .items gives a list of them",
    ),
}
"""Arguments of `compose` and `layout`."""
