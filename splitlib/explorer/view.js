// Draws the results of the worker. WORKER, the worker's script, is defined above this text.

// Traits that a job copies from the model.
const FIXED = [
  "policies", "offered", "rivals", "split_names", "curve_V", "tolerance", "state", "seed", "n_slots",
  "burn_in",
];
const PRESETS = [
  ["α_max = 1", { alpha_max: 1 }],
  ["0.5", { alpha_max: 0.5 }],
  ["0.1", { alpha_max: 0.1 }],
  ["β = 3", { path_loss_exponent: 3 }],
  ["4", { path_loss_exponent: 4 }],
  ["4.7", { path_loss_exponent: 4.7 }],
];
const PAUSE = 600; // ms without a change before screen readers are told

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "splitlib-explorer";
  root.innerHTML = `
    <div class="choices">
      <div class="presets" role="group" aria-label="Settings of the paper"></div>
      <details class="rivals">
        <summary></summary>
        <div class="offered" role="group" aria-label="Policies to compare with"></div>
        <p class="python-only"></p>
      </details>
    </div>
    <div class="numbers"></div>
    <div class="charts"></div>
    <div class="compared" role="region" aria-label="Comparison of policies"></div>
    <p class="said"></p>
    <p class="aloud" role="status" aria-live="polite"></p>`;
  el.append(root);
  const settings = Object.keys(model.get("sliders"));
  const part = (name) => root.querySelector(`.${name}`);
  const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
  let worker;
  try {
    worker = new Worker(url);
  } catch (error) {
    part("said").textContent = `This page cannot simulate, since it may not start a worker: ${error}`;
    return () => URL.revokeObjectURL(url);
  }
  let shown = { found: {} };
  let aloud;
  let asked = false;

  // Once for all simultaneous changes, so that no intermediate state is computed.
  const ask = () => {
    if (!asked) {
      queueMicrotask(() => {
        asked = false;
        worker.postMessage(jobOf(model));
      });
    }
    asked = true;
  };
  const paint = () => {
    if (!shown.point) return;
    const state = { ...shown, fresh: shown.curve?.key === shown.key, rivals: rivalsOf(shown) };
    part("numbers").innerHTML = numbers(state);
    document.documentElement.classList.add("explorer-runs"); // hides the still picture
    part("charts").innerHTML = charts(state, part("charts").clientWidth);
    part("compared").innerHTML = comparison(state);
    part("said").textContent = said(state);
    publish(root, state);
    tellValues(root, model);
    clearTimeout(aloud);
    aloud = setTimeout(() => (part("aloud").textContent = spoken(state)), PAUSE);
  };
  worker.onmessage = ({ data }) => {
    if (data.kind === "error") part("said").textContent = `The simulation failed: ${data.text}`;
    else {
      if (data.kind === "point") shown = { ...shown, ...data };
      if (data.kind === "curve") shown.curve = data;
      if (data.kind === "rivals") {
        const { key, V, runs } = data;
        for (const [name, run] of Object.entries(runs)) shown.found[name] = { key, V, run };
      }
      paint();
    }
  };
  worker.onerror = ({ message }) => (part("said").textContent = `The simulation did not start: ${message ?? "unknown reason"}`);

  for (const [text, values] of [...PRESETS, ["reset", null]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    const chosen = () => values ?? model.get("initial");
    const mark = () => {
      const pressed = Object.entries(chosen()).every(([name, value]) => model.get(name) === value);
      if (values) button.setAttribute("aria-pressed", pressed);
    };
    const [name] = Object.keys(values ?? {});
    if (name) {
      const label = PRESETS.find(([, first]) => name in first)[0].split(" ")[0];
      button.setAttribute("aria-label", `${label} = ${values[name]}`);
      model.on(`change:${name}`, mark);
    }
    button.onclick = () => {
      model.set(chosen());
      model.save_changes();
    };
    mark();
    part("presets").append(button);
  }

  const offer = () => offerRivals(part("rivals"), model);
  for (const name of ["policies", "offered", "python_only", "rivals"]) model.on(`change:${name}`, offer);
  offer();

  const causes = [...settings, ...FIXED, "constants"];
  for (const name of causes) model.on(`change:${name}`, ask);
  const unfold = () => {
    const panel = root.closest(".splitlib-panel");
    panel?.classList.toggle("more-open", model.get("more"));
    panel?.querySelector(".splitlib-main button")?.setAttribute("aria-expanded", model.get("more"));
  };
  model.on("change:more", unfold);
  const size = new ResizeObserver(paint);
  size.observe(part("charts"));
  let tries = 100; // the sliders may appear after this view, or never
  const labelling = setInterval(() => {
    unfold();
    if (attachSliders(root, model) || --tries === 0) clearInterval(labelling);
  }, 100);
  ask();
  return () => {
    worker.terminate();
    URL.revokeObjectURL(url);
    size.disconnect();
    clearInterval(labelling);
    clearTimeout(aloud);
    for (const name of [...causes, "more"]) model.off(`change:${name}`);
  };
}

export default { render };

// The job for the worker, in SI units.
function jobOf(model) {
  const setting = { ...model.get("constants") };
  for (const [name, { field, per_si }] of Object.entries(model.get("sliders"))) {
    setting[field] = model.get(name) / per_si;
  }
  const fixed = Object.fromEntries(FIXED.map((name) => [name, model.get(name)]));
  return { setting, ...fixed };
}

// Offer the policies that are not always drawn, each with its usual number.
function offerRivals(root, model) {
  const [policies, names] = [model.get("policies"), model.get("offered")];
  const chosen = model.get("rivals").filter((name) => names.includes(name));
  const labels = chosen.map((name) => policies[name].label);
  const few = labels.length ? labels.join(", ") : "other policies";
  root.querySelector("summary").textContent =
    `compare with ${labels.length > 3 ? `${labels.length} other policies` : few}`;
  const others = model.get("python_only");
  root.querySelector(".python-only").textContent = others.length
    ? `In Python only, since their decisions cannot run in a page: ${others.join(", ")}.` : "";
  const group = root.querySelector(".offered");
  if (group.dataset.names !== String(names)) {
    group.dataset.names = names;
    group.replaceChildren(...names.map((name, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${i + 1} ${policies[name].label}`;
      button.onclick = () => {
        const rest = model.get("rivals").filter((other) => other !== name);
        const now = rest.length < model.get("rivals").length ? rest : [...rest, name];
        model.set("rivals", names.filter((other) => now.includes(other)));
        model.save_changes();
      };
      return button;
    }));
  }
  names.forEach((name, i) => group.children[i].setAttribute("aria-pressed", chosen.includes(name)));
}

// Give each slider a name and value for screen readers, and follow it while it is dragged; return
// whether all sliders were found.
function attachSliders(root, model) {
  const panel = root.closest(".splitlib-panel");
  let complete = Boolean(panel);
  for (const [name, { label, log }] of Object.entries(model.get("sliders"))) {
    const slider = panel?.querySelector(`.splitlib-${name}`);
    const handle = slider?.querySelector(".noUi-handle");
    const readout = slider?.querySelector(".widget-readout");
    if (!handle || !readout) {
      complete = false;
      continue;
    }
    handle.setAttribute("aria-label", label);
    readout.setAttribute("aria-label", `${label}, as a number`);
    readout.setAttribute("role", "textbox");
    const { noUiSlider } = slider.querySelector(".noUi-target");
    const meant = (value) => (log ? 10 ** value : value);
    tellValue(handle, model.get(name));
    noUiSlider.off(".splitlib");
    noUiSlider.on("slide.splitlib", ([value]) => {
      model.set(name, meant(value));
      model.save_changes();
    });
    // The slider has just announced its raw position, which on a log scale is the exponent.
    noUiSlider.on("set.splitlib", ([value]) => tellValue(handle, meant(value)));
  }
  return complete;
}

function tellValue(handle, value) {
  handle.setAttribute("aria-valuetext", Number(value.toPrecision(4)));
}

// Tell screen readers the exact value of each slider, which may be between two steps.
function tellValues(root, model) {
  const panel = root.closest(".splitlib-panel");
  for (const name of Object.keys(model.get("sliders"))) {
    const handle = panel?.querySelector(`.splitlib-${name} .noUi-handle`);
    if (handle) tellValue(handle, model.get(name));
  }
}

// ---- text ----

const digits = (value, places) => value.toLocaleString("en", {
  minimumFractionDigits: places, maximumFractionDigits: places,
});
const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");
const whole = (value) => value.toLocaleString("en").replace("-", "−");
const percent = (share) => `${twoPlaces(100 * share).replace("-", "−")} %`;

const twoPlaces = (value) => digits(value, 2);

// A delay in a suitable unit.
function duration(seconds, write = short) {
  return seconds >= 1 ? `${write(seconds)} s` : `${write(1e3 * seconds)} ms`;
}

// Whether a mean keeps its limit. In a settled run it may exceed the limit by the remaining growth
// of the queue.
function verdict(value, limit, settled, text) {
  if (value <= limit) return { kind: "kept", text: `✓ at most ${text}` };
  if (settled) return { kind: "kept", text: `≈ at ${text}` };
  return { kind: "broken", text: `✗ above ${text}` };
}

function verdicts({ point, job }) {
  const { d_avg, epsilon } = job.setting;
  return {
    delay: verdict(point.mean_delay, d_avg, point.settled, `D_avg = ${duration(d_avg)}`),
    outage: verdict(point.outage, epsilon, point.settled, `ε = ${short(100 * epsilon)} %`),
  };
}

// The chosen rivals: number, label, the run (if any yet), and whether it matches the values shown.
function rivalsOf({ job, key, found }) {
  return job.rivals.filter((name) => job.offered.includes(name)).map((name) => {
    const { label, rules } = job.policies[name];
    const { run, ...of } = found[name] ?? {};
    const fresh = of.key === key && (of.V === job.setting.V || !rules[0].virtual_queues);
    return { name, label, number: job.offered.indexOf(name) + 1, run, fresh };
  });
}

const hasImages = ({ point }) => !Number.isNaN(point.energy_saving);

function numbers(state) {
  const { point } = state;
  const { delay, outage } = verdicts(state);
  const settled = point.settled
    ? { kind: "kept", text: "✓ this V has settled" }
    : { kind: "broken", text: "✗ higher at the end than after the burn-in: not settled" };
  const saving = hasImages(state) ? percent(point.energy_saving) : "none: no images";
  const rows = [
    ["energy saving", saving, { text: `${short(1e3 * point.mean_energy)} mJ per slot` }],
    ["mean delay", duration(point.mean_delay, twoPlaces), delay],
    ["outage", percent(point.outage), outage],
    ["mean splitting point", hasImages(state) ? twoPlaces(point.mean_split) : "none",
      { text: `standard deviation ${twoPlaces(point.std_split)}` }],
    ["queues at the end", `Z ${short(point.samples.Z.at(-1))} s, H ${short(point.samples.H.at(-1))}`,
      settled],
  ];
  return rows.map(([name, value, { kind = "", text }]) => `
    <p class="${kind}">${name} <b>${value}</b> <span>${text}</span></p>`).join("");
}

// A table of the adaptive method and the chosen rivals.
function comparison(state) {
  const { point, rivals, job } = state;
  if (!rivals.length || !hasImages(state)) return "";
  const atMost = (value, limit) => value <= limit * (1 + job.tolerance);
  const row = (name, run, delaySettled, outageSettled) => {
    const { text, kind } = keeps(run, job.setting, delaySettled, outageSettled);
    const cells = [percent(run.energy_saving), duration(run.mean_delay, twoPlaces), percent(run.outage)];
    return `${name}${cells.map((cell) => `<td>${cell}</td>`).join("")}<td class="${kind}">${text}</td>`;
  };
  const { d_avg, epsilon } = job.setting;
  const rows = rivals.map(({ label, number, run, fresh }) => {
    const name = rowHead(mark("diamond", 6, 5.5, "rival", ""), `${number} ${label}`);
    const cells = !run ? `${name}<td colspan="4">computing …</td>`
      : run.infeasible ? `${name}<td colspan="4">no policy keeps both limits here: the fastest has a mean delay of ${
        duration(run.mean_delay, twoPlaces)} and ${percent(run.outage)} outages</td>`
      : row(name, run, atMost(run.mean_delay, d_avg), atMost(run.outage, epsilon));
    return `<tr class="${!run || fresh ? "" : "stale"}">${cells}</tr>`;
  });
  const own = rowHead('<circle cx="6" cy="5.5" r="4"/>', `adaptive, V = ${short(point.V)}`);
  return `<table aria-busy="${rivals.some(({ fresh }) => !fresh)}">
    <thead><tr>${["policy", "energy saving", "mean delay", "outage", "limits"]
      .map((text) => `<th scope="col">${text}</th>`).join("")}</tr></thead>
    <tbody><tr>${row(own, point, point.settled, point.settled)}</tr>${rows.join("")}</tbody></table>`;
}

function rowHead(sign, text) {
  return `<th scope="row"><svg width="13" height="11" aria-hidden="true">${sign}</svg> ${text}</th>`;
}

// Whether a policy keeps both limits.
function keeps(run, { d_avg, epsilon }, delaySettled, outageSettled) {
  const delay = verdict(run.mean_delay, d_avg, delaySettled, "");
  const outage = verdict(run.outage, epsilon, outageSettled, "");
  const broken = [delay, outage].map(({ kind }) => kind === "broken");
  if (broken[0] && broken[1]) return { kind: "broken", text: "✗ both exceeded" };
  if (broken[0]) return { kind: "broken", text: "✗ D_avg exceeded" };
  if (broken[1]) return { kind: "broken", text: "✗ ε exceeded" };
  const close = (delay.text + outage.text).includes("≈");
  return { kind: "kept", text: close ? "≈ at the limit" : "✓ both kept" };
}

function said({ job, milliseconds, curve, fresh }) {
  const run = `${whole(job.n_slots)} slots (the first ${whole(job.burn_in)} left out) of seed `
    + `${job.seed} in ${digits(milliseconds, 0)} ms`;
  const line = fresh
    ? `the curve and the benchmarks, ${curve.points.length + 2} such runs, in ${digits(curve.milliseconds, 0)} ms`
    : "the curve follows";
  return `Ran in this page: ${run}; ${line}.`;
}

function spoken(state) {
  const { point, job } = state;
  const { delay, outage } = verdicts(state);
  const saving = hasImages(state) ? percent(point.energy_saving) : "undefined without images";
  const { V, path_loss_exponent, alpha_max } = job.setting;
  return `V ${short(V)}, β ${short(path_loss_exponent)}, α_max ${short(alpha_max)}: energy saving `
    + `${saving}; mean delay ${duration(point.mean_delay, twoPlaces)}, ${delay.text}; outage `
    + `${percent(point.outage)}, ${outage.text}; mean splitting point ${twoPlaces(point.mean_split)}; `
    + `${point.settled ? "settled" : "not settled"}.`;
}

// Store the numbers at full precision in attributes, for tests.
function publish(root, { point, job, fresh, rivals }) {
  const { samples, split_histogram, queue_growth, ...scalars } = point;
  for (const [name, value] of Object.entries(scalars)) root.dataset[camel(name)] = value;
  root.dataset.setting = JSON.stringify(job.setting);
  root.dataset.splitHistogram = JSON.stringify(split_histogram);
  root.dataset.queues = JSON.stringify([samples.Z.at(-1), samples.H.at(-1)]);
  root.dataset.curve = fresh ? "done" : "pending";
  root.dataset.rivals = JSON.stringify(
    Object.fromEntries(rivals.map(({ name, run, fresh: done }) => [name, done ? run : null])));
}

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

// ---- charts ----

const LONGEST_NAME = 12; // most letters of a splitting point's name under its bar
const LETTER = 6.6; // width of a letter in px
const MARGIN = { left: 44, right: 12, top: 22, bottom: 32 };

function charts(state, width) {
  const columns = width >= 560 ? 2 : 1;
  const size = { width: Math.floor((width - 16 * (columns - 1)) / columns), height: width >= 1000 ? 300 : 208 };
  if (!hasImages(state)) {
    return `<p class="nothing">No images arrive (λ = 0): no energy is spent, so there is nothing to
      save and nothing to draw. Move λ up to see the controller at work.</p>`;
  }
  return [delayChart, outageChart, splitChart, queueChart].map((draw) => draw(state, size)).join("");
}

function scale(low, high, from, to, log) {
  const at = log ? Math.log10 : (value) => value;
  const [first, span] = [at(low), at(high) - at(low)];
  return (value) => from + ((at(value) - first) / span) * (to - from);
}

// Round numbers between two limits: decades on a log axis, multiples of 1, 2 or 5 elsewhere.
function ticks(low, high, log, count = 5) {
  if (log) {
    const decades = [];
    for (let power = Math.ceil(Math.log10(low) - 1e-9); 10 ** power <= high * 1.000001; power++) {
      decades.push(Number(`1e${power}`));
    }
    if (decades.length > 1) {
      const every = Math.ceil(decades.length / (count + 1));
      return decades.filter((_, i) => i % every === 0);
    }
    const fine = [1, 2, 5].flatMap((digit) => [-1, 0].map((shift) => digit * 10 ** (Math.floor(Math.log10(high)) + shift)));
    return fine.filter((value) => value >= low && value <= high).sort((a, b) => a - b);
  }
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= rough);
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) values.push(i * step);
  return values;
}

// Escape a name from the network for use in the drawing.
function escaped(name) {
  const text = document.createElement("span");
  text.textContent = name;
  return text.innerHTML.replaceAll('"', "&quot;");
}

// A frame with title, axes and grid; `draw` gets the two scales and draws the rest.
function chart({ width, height }, { title, xLabel, x, y, about, draw, names, margin = {} }) {
  const m = { ...MARGIN, ...margin };
  const box = { left: m.left, right: width - m.right, top: m.top, bottom: height - m.bottom };
  const sx = scale(...x.range, box.left, box.right, x.log);
  const sy = scale(...y.range, box.bottom, box.top, y.log);
  const xTicks = names ? "" : ticks(...x.range, x.log).map((value) => `
    <path class="grid" d="M${sx(value)},${box.top}V${box.bottom}"/>
    <text x="${sx(value)}" y="${box.bottom + 14}" text-anchor="middle">${short(value)}</text>`).join("");
  const yTicks = ticks(...y.range, y.log, 4).map((value) => `
    <path class="grid" d="M${box.left},${sy(value)}H${box.right}"/>
    <text x="${box.left - 5}" y="${sy(value) + 4}" text-anchor="end">${short(value)}</text>`).join("");
  return `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"
    role="img" aria-label="${about}">
    <text class="title" x="4" y="13">${title}</text>${xTicks}${yTicks}
    <text x="${box.right}" y="${height - 4}" text-anchor="end">${xLabel}</text>
    ${draw(sx, sy, box)}
    <path class="axis" d="M${box.left},${box.top}V${box.bottom}H${box.right}"/></svg>`;
}

const MARKS = {
  star: Array.from({ length: 10 }, (_, i) => {
    const radius = i % 2 ? 3.4 : 8;
    return [radius * Math.sin((i * Math.PI) / 5), -radius * Math.cos((i * Math.PI) / 5)];
  }).map((at, i) => `${i ? "L" : "M"}${at}`).join("") + "Z",
  diamond: "M0,-5.5L5.5,0L0,5.5L-5.5,0Z",
  cross: "M-5,-5L5,5M-5,5L5,-5",
  here: "M0,-9A9,9 0 1 1 -0.01,-9Z",
  broken: "M0,-9A9,9 0 1 1 -0.01,-9ZM-13,-13L13,13M-13,13L13,-13",
};

function mark(kind, x, y, className, about) {
  return `<path class="${className}" transform="translate(${x},${y})" d="${MARKS[kind]}"><title>${about}</title></path>`;
}

// The points of the adaptive method over all V, the two benchmarks, and the current point.
function tradeoff(state, read, format, kept) {
  const { point, curve, fresh } = state;
  const old = curve && hasImages({ point: curve.local }) ? curve : null;
  const rivals = state.rivals.filter(({ run }) => run && !run.infeasible && hasImages({ point: run }));
  return {
    values: [point, ...(old ? [...old.points, old.local] : [])].map(read).filter((v) => v > 0),
    draw(sx, sy, box) {
      const inside = (value) => Math.min(Math.max(sy(Math.max(value, 1e-300)), box.top), box.bottom);
      const x = (run) => sx(100 * run.energy_saving);
      const y = (run) => inside(read(run));
      const taken = []; // positions of the benchmarks' texts
      const none = (run) => (read(run) > 0 ? "" : " (0)"); // a log axis cannot show it
      let drawing = "";
      if (old) {
        const points = [...old.points].sort((a, b) => a.V - b.V);
        const line = points.map((run) => `${x(run)},${y(run)}`).join(" ");
        drawing += `<g class="curve${fresh ? "" : " stale"}"><polyline points="${line}"/>`;
        for (const run of points) {
          drawing += `<circle class="${run.settled ? "" : "open"}" cx="${x(run)}" cy="${y(run)}" r="3.2">`
            + `<title>V = ${short(run.V)}: ${percent(run.energy_saving)}, ${format(run)}`
            + `${run.settled ? "" : " (not settled)"}</title></circle>`;
        }
        drawing += offloadingMark(old.offloading, x(old.offloading), y(old.offloading), box,
          sy(Math.max(read(old.offloading), 1e-300)) < box.top, format, taken);
        drawing += mark("cross", x(old.local), y(old.local), "bench",
          `full local: 0 %, ${format(old.local)}`);
        taken.push({ left: x(old.local) + 10, right: x(old.local) + 10 + 14 * LETTER, y: y(old.local) - 4 });
        drawing += `<text x="${x(old.local) + 10}" y="${y(old.local) - 4}">full local${none(old.local)}</text></g>`;
      }
      drawing += rivalMarks(rivals.map((rival) => {
        const [left, top] = [x(rival.run), sy(Math.max(read(rival.run), 1e-300))];
        return { ...rival, left, top, text: format(rival.run) };
      }), box, taken);
      return drawing + mark(kept === "broken" ? "broken" : "here", x(point), y(point), `here ${kept}`,
        `V = ${short(point.V)}: ${percent(point.energy_saving)}, ${format(point)}`);
    },
  };
}

// Full offloading; if it is outside the chart, it is drawn at the edge with its numbers.
function offloadingMark(run, x, y, box, isAbove, format, taken) {
  const isLeft = x < box.left;
  const [left, top] = [isLeft ? box.left + 10 : x, isAbove ? y + 8 : y];
  const about = `full offloading: ${percent(run.energy_saving)}, ${format(run)}`;
  const text = `full offloading${isLeft ? ` ← ${whole(Math.round(100 * run.energy_saving))} %` : ""}${
    isAbove ? ` ↑ ${format(run)}` : ""}`;
  const [side, anchor] = left < (box.left + box.right) / 2 ? [12, "start"] : [-12, "end"];
  const [end, width] = [left + side, LETTER * text.length];
  taken.push({ left: side < 0 ? end - width : end, right: side < 0 ? end : end + width, y: top + 4 });
  return `${mark("star", left, top, "bench", about)}
    <text x="${left + side}" y="${top + 4}" text-anchor="${anchor}">${text}</text>`;
}

// The rivals; those outside the chart are drawn at its edge. Rivals close to each other share one
// text; texts avoid each other and those of the benchmarks, whose positions are in `taken`.
function rivalMarks(rivals, box, taken) {
  const groups = [];
  let drawing = "";
  for (const { number, label, run, fresh, left, top, text } of rivals) {
    const arrow = `${left < box.left ? "←" : ""}${top < box.top ? "↑" : ""}`;
    const at = [
      Math.max(left, box.left + 6),
      top < box.top ? box.top + 24 : Math.min(top, box.bottom), // below the text of full offloading
    ];
    drawing += mark("diamond", ...at, `rival${fresh ? "" : " stale"}`,
      `${number} ${label}: ${percent(run.energy_saving)}, ${text}`);
    const near = groups.find((group) =>
      group.arrow === arrow && group.at.every((place, i) => Math.abs(place - at[i]) < 13));
    if (near) near.numbers.push(number);
    else groups.push({ at, arrow, numbers: [number] });
  }
  const places = [...taken];
  for (const { at: [x, y], arrow, numbers } of groups) {
    const text = numbers.join(", ") + arrow;
    const onLeft = x < (box.left + box.right) / 2;
    const width = LETTER * text.length;
    const [from, to] = onLeft ? [x - 6, x - 6 + width] : [x + 6 - width, x + 6];
    const isFree = (at) => at > box.top + 8 && at < box.bottom - 2 && !places.some((other) =>
      Math.abs(other.y - at) < 11 && from < other.right + 2 && other.left < to + 2);
    const place = [18, -9, 30, -21, 42, -33].map((shift) => y + shift).find(isFree) ?? y - 9;
    places.push({ left: from, right: to, y: place });
    drawing += `<text class="rival" x="${onLeft ? from : to}" y="${place}" text-anchor="${
      onLeft ? "start" : "end"}">${text}</text>`;
  }
  return drawing;
}

// The range of energy savings to draw: from about 0, or lower if some run spends more than full
// local inference.
function savings({ point, curve }) {
  const all = [point, ...(curve?.points ?? [])].map((run) => 100 * run.energy_saving);
  const least = Math.min(0, ...all.filter(Number.isFinite));
  return [least < 0 ? 10 * Math.floor(least / 10) : -4, 104];
}

function limit(sx, sy, box, value, text) {
  return `<path class="limit" d="M${box.left},${sy(value)}H${box.right}"/>
    <text class="limit" x="${box.left + 4}" y="${sy(value) - 4}">${text}</text>`;
}

function delayChart(state, size) {
  const { d_avg } = state.job.setting;
  const format = (run) => duration(run.mean_delay);
  const { values, draw } = tradeoff(state, (run) => 1e3 * run.mean_delay, format,
    verdicts(state).delay.kind);
  const all = [...values, 1e3 * d_avg];
  const { point } = state;
  return chart(size, {
    title: "mean end-to-end delay (ms)",
    xLabel: "energy saving (%)",
    about: `Energy saving ${percent(point.energy_saving)} at a mean delay of ${format(point)}, ${
      verdicts(state).delay.text}`,
    x: { range: savings(state) },
    y: { range: [0, 1.4 * Math.max(...all)] },
    draw: (sx, sy, box) => limit(sx, sy, box, 1e3 * d_avg, `D_avg = ${duration(d_avg)}`) + draw(sx, sy, box),
  });
}

function outageChart(state, size) {
  const { epsilon } = state.job.setting;
  const format = (run) => percent(run.outage);
  const { values, draw } = tradeoff(state, (run) => 100 * run.outage, format,
    verdicts(state).outage.kind);
  const all = [...values, 100 * epsilon].filter((value) => value > 0);
  const low = Math.min(1, ...all) / 3;
  return chart(size, {
    title: "outage probability (%)",
    xLabel: "energy saving (%)",
    about: `Outage probability ${format(state.point)}, ${verdicts(state).outage.text}`,
    x: { range: savings(state) },
    y: { range: [low, 130], log: true },
    draw: (sx, sy, box) => (epsilon > 0
      ? limit(sx, sy, box, 100 * epsilon, `ε = ${short(100 * epsilon)} %`)
      : `<text class="limit" x="${box.left + 4}" y="${box.bottom - 4}">ε = 0</text>`)
      + draw(sx, sy, box),
  });
}

function splitChart({ point, job }, size) {
  const names = job.split_names.map((name) => escaped(name));
  const shown = job.split_names.map((name) =>
    escaped(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name));
  const total = point.split_histogram.reduce((sum, slots) => sum + slots, 0);
  const shares = point.split_histogram.map((slots) => slots / total);
  const most = shares.indexOf(Math.max(...shares));
  const longest = Math.max(...job.split_names.map((name) => Math.min(name.length, LONGEST_NAME)));
  return chart(size, {
    title: "where the network is cut (% of slots)",
    xLabel: "",
    names,
    margin: { bottom: 14 + 5.2 * longest },
    about: `Most slots, ${percent(shares[most])}, split at point ${most}, ${names[most]}`,
    x: { range: [-0.6, names.length - 0.4] },
    y: { range: [0, 109] },
    draw: (sx, sy, box) => shares.map((share, k) => {
      const width = 0.72 * (sx(1) - sx(0));
      const height = share > 0 ? Math.max(1, box.bottom - sy(100 * share)) : 0;
      const value = share >= 0.005
        ? `<text x="${sx(k)}" y="${box.bottom - height - 3}" text-anchor="middle">${Number((100 * share).toPrecision(2))}</text>` : "";
      return `<rect x="${sx(k) - width / 2}" y="${box.bottom - height}" width="${width}" height="${height}">
        <title>${k}, ${names[k]}: ${percent(share)}</title></rect>${value}
        <text class="small" transform="translate(${sx(k) + 3.5},${box.bottom + 5}) rotate(-90)"
          text-anchor="end">${shown[k]}</text>`;
    }).join(""),
  });
}

// Z above, H below, over the same slots.
function queueChart({ point, job }, size) {
  const { slot, Z, H } = point.samples;
  const half = (size.height - 8) / 2;
  const one = (values, title, last) => chart({ ...size, height: last ? half + 8 : half }, {
    title,
    xLabel: last ? "slots (thousands)" : "",
    about: `${title}: ${short(values.at(-1))} at the end`,
    margin: { bottom: last ? 30 : 16, top: 20 },
    x: { range: [0, job.n_slots / 1e3] },
    y: { range: [0, 1.1 * (Math.max(...values) || 1)] },
    draw: (sx, sy, box) => `
      <rect class="burn-in" x="${box.left}" y="${box.top}" width="${sx(job.burn_in / 1e3) - box.left}"
        height="${box.bottom - box.top}"><title>left out of all means</title></rect>
      <polyline class="queue" points="${values.map((v, i) => `${sx(slot[i] / 1e3)},${sy(v)}`).join(" ")}"/>`,
  });
  return `<div>${one(Z, "virtual queue Z of the delay (s)", false)}${
    one(H, "virtual queue H of the outages", true)}</div>`;
}
