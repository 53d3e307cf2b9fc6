"""A spec with every key that there is."""

from __future__ import annotations

EVERY_KEY = """\
version: 1
name: all
title: All keys
description: Every key that there is
labels: {client: acme}
brand: {name: Aurora, logo: "https://a.b/l.png", colours: ["#0b3d2e"], font: poppins, prompt: warm, end_card: {title: A, seconds: 2}, captions: {position: top, style: plate, language: hi}}
inputs:
  a: {type: string, title: A, description: a, default: abc, required: true, min: 1, max: 9, pattern: "[a-z]+"}
  f: {type: file, kind: image, required: false}
  e: {type: enum, values: [a, b], default: a}
  l: {type: list, of: string, default: [a]}
budget: {credits: 100, warn_at: 0.5, on_unfit: fail}
concurrency: {group: g, limit: 1}
cache: run
defaults: {generate: {timeout: 5m, retry: {attempts: 2, patience: 5m}, max_parallel: 2}}
steps:
  c:
    uses: chat
    retry: {attempts: 2}
    repeat: {until: "${{ steps.c.json.x == 'x' }}", at_most: 2}
    with: {model: gpt-5-2-chat, message: hi, session: s, attachments: ["${{ inputs.f }}"], reasoning_effort: low, web_search: false, expect: {x: string}}
  g:
    uses: generate
    title: Pictures
    foreach: ${{ inputs.l }}
    as: it
    key: ${{ it }}
    limit: 4
    max_items: 5
    allow_failures: 1
    if: ${{ inputs.a == 'abc' }}
    needs: [c]
    regenerate: 1
    fallback: [{model: seedream-5-lite, params: {}, references: [], brand: false}, {prompt: "${{ prompt }}, calm"}]
    timeout: 5m
    max_parallel: 2
    cache: run
    with: {model: nano-banana-2, prompt: x, params: {aspect_ratio: "1:1"}, references: ["${{ inputs.f }}"], brand: true}
  m:
    uses: generate
    matrix: {a: [1, 2], include: [{a: 1, b: 2}], exclude: [{a: 2}]}
    with: {model: z-image, prompt: x}
  z: {uses: generate, zip: {a: [1, 2], b: [1, 2]}, with: {model: z-image, prompt: x}}
  p: {uses: pick, with: {from: "${{ steps.g.items }}", mode: human, question: q, timeout: 5m, on_timeout: first}}
  r:
    uses: review
    with:
      media: ["${{ steps.p.asset }}"]
      question: q
      reviewers: [legal]
      need: 1
      changes: {redo: [g], rounds: 2}
      timeout: 5m
      on_timeout: approve
  i: {uses: inspect, with: {media: "https://a.b/c.mp4", frames: 8, seconds: 5s, aspect: "9:16", sound: true, limits: {black: 50%}}}
  k: {uses: compose, with: {clips: ["${{ steps.p.asset }}"], audio: ["https://a.b/c.mp3"], loudness: -14, length: speech}}
  b: {uses: pick, with: {from: "${{ steps.g.items }}", mode: best, by: "${{ item.key | length }}", order: min, count: 1}}
  j: {uses: pick, with: {from: "${{ steps.g.items }}", mode: judge, judge: {model: gpt-5-2-chat, criteria: [whole], least: 2.5}, none: {rounds: 1}}}
  h: {uses: pick, with: {from: "${{ steps.g.items }}", mode: human, judge: {model: gpt-5-2-chat, criteria: [whole]}, none: {rounds: 2}, sign: true}}
  s:
    uses: compose
    with:
      clips: ["${{ steps.p.asset }}", {media: "https://a.b/c.mp4", seconds: 3, start: 0.5, motion: none}]
      transition: {kind: fade, seconds: 0.4}
      narration: https://a.b/c.mp3
      music: {media: "https://a.b/d.mp3", level: -20, duck: true}
      captions: {text: Hello, language: hi, position: bottom, style: plain}
      overlays: [{media: "https://a.b/l.png", position: top-right, width: 0.18, start: 0, seconds: 2}, {text: Sale}]
      end_card: {title: Aurora, line: Order, image: "https://a.b/l.png", seconds: 2}
      formats: ["9:16", "1:1"]
      reframe: crop
      extras: [poster, gif, srt, clean]
  t: {uses: pick, with: {from: ["${{ steps.s }}"], mode: judge, judge: {model: gpt-5-2-chat, criteria: [whole], frames: 4}}}
  v: {uses: compose, with: {clips: "https://a.b/c.mp4"}}
  y: {uses: layout, with: {image: "https://a.b/c.png", overlays: [{text: Sale}], formats: ["1:1"], reframe: pad}}
  u: {uses: upload, with: {file: "https://a.b/c.png", kind: image, model: nano-banana-2}}
on_failure:
  n: {uses: notify, with: {url: "https://a.b/c", body: 1, secret: "env:X"}}
finally:
  o: {uses: notify, with: {url: "https://a.b/c"}}
outputs: {a: "${{ steps.p.asset }}"}
deploy:
- name: d
  description: x
  schedules: [{cron: 0 9 * * 1, timezone: Asia/Kolkata, active: true, catchup: latest}]
  triggers: [{event: a.b, match: {x: y}, inputs: {a: abc}, active: true}]
  inputs: {a: abc}
  tags: [t]
  work_pool: {name: w, queue: q, job_variables: {memory: 1g}}
  concurrency_limit: 1
  when_busy: wait
"""
