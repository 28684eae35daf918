// Runs the simulation in the background, so that no slider waits for it. Functions in snake_case
// are splitlib's own, translated to JavaScript; their code precedes this text.
//
// A job holds the setting, the rules of all policies, the weights V of the trade-off curve and the
// names of the chosen rivals. The point at the job's own V is always finished and sent first. Curve
// and rivals follow in time slices and are dropped when a new job arrives; finished runs that are
// still valid for the new job are kept.

const SAMPLES = 400; // of the virtual queues over the slots
const SLICE = 4; // ms of background work between checks for a new job
const PAUSE = 50; // ms without a new job before background work starts, to stay idle during a drag
const NEWS = 150; // ms after which finished rivals are sent, even if others are still running

let next = null;
let working = false;
let wake = () => {}; // ends a pause
let uniforms;
const filled = {}; // arrays over the slots, by name, with the values they depend on
let kept = {}; // runs, by rule and V, with the key of the job they are valid for

onmessage = ({ data }) => {
  next = data;
  wake();
  if (!working) work().catch((error) => postMessage({ kind: "error", text: String(error) }));
};

async function work() {
  working = true;
  try {
    while (next) {
      const job = next;
      next = null;
      const start = performance.now();
      const key = keyOf(job);
      prepare(job);
      const [point] = finish(simulate(job, job.policies.adaptive.rules[0], [job.setting.V]));
      postMessage({ kind: "point", job, key, point, milliseconds: performance.now() - start });
      if (kept.key !== key) kept = { key, runs: new Map() };
      await inSlices(background(job, key));
    }
  } finally {
    working = false;
  }
}

// Everything that all runs depend on, except their rule and V.
function keyOf({ setting: { V, ...setting }, policies, rivals, ...others }) {
  return JSON.stringify({ setting, ...others, adaptive: policies.adaptive });
}

// Run a task step by step, and drop it when a new job arrives.
async function inSlices(task) {
  if (task.next().done) return;
  await pause();
  let since = performance.now();
  while (!next && !task.next().done) {
    if (performance.now() - since < SLICE) continue;
    await breathe();
    since = performance.now();
  }
}

function* background(job, key) {
  const { adaptive, full_offloading, full_local } = job.policies;
  const points = yield* keptRuns(job, adaptive.rules[0], job.curve_V);
  const offloading = yield* keptRun(job, full_offloading.rules[0]);
  const local = yield* keptRun(job, full_local.rules[0]);
  const milliseconds = [...points, offloading, local].reduce((sum, run) => sum + run.milliseconds, 0);
  postMessage({ kind: "curve", key, points, offloading, local, milliseconds });

  const { V } = job.setting;
  const names = job.rivals.filter((name) => name in job.policies);
  const runs = {};
  let sent = performance.now();
  for (const name of names.sort((a, b) => effort(job.policies[a]) - effort(job.policies[b]))) {
    const { choice, rules } = job.policies[name];
    runs[name] = yield* CHOICES[choice](job, rules);
    if (performance.now() - sent < NEWS) continue;
    postMessage({ kind: "rivals", key, V, runs });
    sent = performance.now();
  }
  postMessage({ kind: "rivals", key, V, runs });
}

// Used to run the slowest policies last.
const effort = ({ choice, rules }) => (choice === "best prices" ? Infinity : rules.length);

// Run all slots for several V side by side, except for V that were run before.
function* keptRuns(job, rule, weights) {
  const nameOf = (V) => JSON.stringify([rule, rule.virtual_queues && V]);
  const missing = weights.filter((V) => !kept.runs.has(nameOf(V)));
  if (missing.length) {
    const simulation = simulate(job, rule, missing);
    let milliseconds = 0;
    let step = { done: false };
    while (!step.done) {
      const start = performance.now();
      step = simulation.next();
      milliseconds += performance.now() - start;
      if (!step.done) yield;
    }
    for (const { samples, ...numbers } of step.value) { // their queues are never drawn
      kept.runs.set(nameOf(numbers.V), { ...numbers, milliseconds: milliseconds / missing.length });
    }
  }
  return weights.map((V) => kept.runs.get(nameOf(V)));
}

function* keptRun(job, rule) {
  return (yield* keptRuns(job, rule, [job.setting.V]))[0];
}

// ---- how a policy chooses among its rules: the steps of splitlib.policies and splitlib.bound ----

const CHOICES = {
  *""(job, [rule]) {
    return yield* keptRun(job, rule);
  },
  *"least energy"(job, rules) {
    const runs = [];
    for (const rule of rules) runs.push(yield* keptRun(job, rule));
    const { d_avg, epsilon } = job.setting;
    return runs[least_within(...means(runs), runs.length, d_avg, epsilon)];
  },
  *"least delay"(job, rules) {
    const runs = [];
    for (const rule of rules) runs.push(yield* keptRun(job, rule));
    const [, delays, outages] = means(runs);
    return runs[least_within(delays, delays, outages, runs.length, Infinity, Infinity)];
  },
  *"best prices"(job, [rule]) {
    const limits = [job.setting.d_avg, job.setting.epsilon];
    const [prices, best] = [new Float64Array(3), new Float64Array(4)];
    const at = () => keptRun(job, { ...rule, prices: [...prices] });
    const runs = [];
    while (next_prices(...means(runs), runs.length, ...limits, TOLERANCE, prices, best)) {
      runs.push(yield* at());
      const [{ mean_delay, outage }] = runs;
      if (mean_delay > limits[0] || outage > limits[1]) return { ...runs[0], infeasible: true };
    }
    prices.set([1, best[1], best[2]]);
    for (let doubling = 0; doubling < MOST_DOUBLINGS; doubling++) {
      const run = yield* at();
      if (!raise_prices(prices, run.mean_delay, run.outage, ...limits, doubling)) return run;
    }
    return runs[0];
  },
};

function means(runs) {
  return ["mean_energy", "mean_delay", "outage"].map((name) =>
    Float64Array.from(runs, (run) => run[name]));
}

// Wait for a while, or for a new job.
function pause() {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, PAUSE);
  });
}

// Let messages arrive. A timer would wait for 4 ms.
function breathe() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

// Fill the arrays of the trace and the limits of the rate, each only if its inputs have changed.
function prepare({ setting, n_slots, state }) {
  const fill = (name, width, causes, how) => {
    const key = JSON.stringify([causes, n_slots, state]);
    if (filled[name]?.key === key) return;
    const arrays = Array.from({ length: width }, () => new Float64Array(n_slots));
    how(...arrays);
    filled[name] = { key, arrays };
  };
  const { distance, wavelength, path_loss_exponent, path_loss, fading_power } = setting;
  const { alpha_min, alpha_max, arrival_rate, noise_power, p_max } = setting;
  const mean_gain =
    fading_power * unchecked_path_gain(distance, wavelength, path_loss_exponent, path_loss);
  fill("uniforms", 0, [], () => {
    uniforms = new Float64Array(3 * n_slots);
    fill_uniforms(Float64Array.from(state), n_slots, uniforms);
  });
  fill("gain", 1, mean_gain, (gain) => fill_gain(uniforms, n_slots, mean_gain, gain));
  fill("availability", 1, [alpha_min, alpha_max], (availability) =>
    fill_availability(uniforms, n_slots, alpha_min, alpha_max, availability));
  fill("arrivals", 1, arrival_rate, (arrivals) =>
    fill_arrivals(uniforms, n_slots, arrival_rate, arrivals));
  fill("limits", 2, [mean_gain, noise_power, p_max], (...limits) =>
    fill_upper_limits(filled.gain.arrays[0], n_slots, noise_power, p_max, ...limits));
}

const numbers = (length) => new Float64Array(length);
const rows = (count, length) => Array.from({ length: count }, () => numbers(length));

const SUMS = ["Z", "H", "delay", "energy", "outages", "arrivals", "longest_delay", "charged", "sending",
  "rate_inside", "Z_sum", "H_sum"];

function newCosts(n_options) {
  const costs = { is_known: new Uint8Array(3 * BLOCK) };
  for (const name of ["rate", "seconds_per_bit"]) costs[name] = numbers(3 * BLOCK);
  for (const name of ["delay", "energy"]) costs[name] = rows(3 * BLOCK, n_options);
  for (const name of ["r_min", "g_min"]) costs[name] = numbers(BLOCK);
  return costs;
}

// Run all slots, a few at a time, for several V side by side. At the end, return an object for each
// V with the names of splitlib's Result.
function* simulate({ setting, split_names, n_slots, burn_in, tolerance }, rule, weights) {
  const n = weights.length;
  const options = { n: rule.splits.length, objective: numbers(rule.splits.length) };
  for (const [name, values] of Object.entries(rule.costs)) options[name] = Float64Array.from(values);
  const [energy, delay, outage] = rule.prices;
  const prices = {
    energy: Float64Array.from(weights, (V) => (rule.virtual_queues ? V : energy)),
    delay,
    outage,
    virtual_queues: rule.virtual_queues,
    at_p_max: rule.rate === "p_max",
    split_by_surrogate: setting.split_by_surrogate && rule.rate === "surrogate",
    deadline: setting[rule.deadline],
    n,
  };
  const exact = rule.rate === "exact" ? true : null;
  const stage_limit = rule.stage_limit ? setting[rule.stage_limit] : null;
  const costs = n > 1 ? newCosts(options.n) : null; // only several V can share costs
  const sums = { histogram: rows(n, options.n) };
  for (const name of SUMS) sums[name] = numbers(n);
  const series = ["gain", "availability", "arrivals", "limits"].flatMap((name) => filled[name].arrays);
  const samples = { slot: [0], Z: [0], H: [0] };
  const step = Math.ceil(n_slots / SAMPLES);
  let initial;
  // Without virtual queues, nothing is carried over from the burn-in, so skip it.
  for (const [first, last] of [[rule.virtual_queues ? 0 : burn_in, burn_in], [burn_in, n_slots]]) {
    for (const name of SUMS.slice(2)) sums[name].fill(0);
    for (const counts of sums.histogram) counts.fill(0);
    initial = [[...sums.Z], [...sums.H]];
    for (let start = first; start < last; start += step) {
      const stop = Math.min(start + step, last);
      const [gain, availability, arrivals, r_max, g_max] = series.map((of) => of.subarray(start, stop));
      const slots = { gain, availability, arrivals, r_max, g_max, n: stop - start };
      run_slots(slots, options, prices, exact, stage_limit, setting, costs, sums, null);
      samples.slot.push(stop);
      samples.Z.push(sums.Z[0]);
      samples.H.push(sums.H[0]);
      yield;
    }
  }
  const n_measured = n_slots - burn_in;
  const { d_avg, d_max, epsilon } = setting;
  return weights.map((V, v) => {
    const growth = [(sums.Z[v] - initial[0][v]) / n_measured, (sums.H[v] - initial[1][v]) / n_measured];
    const full_local_energy = sums.charged[v] * setting.full_local_energy;
    const histogram = split_names.map(() => 0);
    rule.splits.forEach((split, option) => (histogram[split] += sums.histogram[v][option]));
    const mean_split = histogram.reduce((sum, slots, k) => sum + k * slots, 0) / n_measured;
    const spread = histogram.reduce((sum, slots, k) => sum + slots * (k - mean_split) ** 2, 0);
    return {
      V,
      mean_delay: sums.delay[v] / n_measured,
      outage: sums.outages[v] / n_measured,
      mean_energy: sums.energy[v] / n_measured,
      energy_saving: sums.arrivals[v] ? 1 - sums.energy[v] / full_local_energy : NaN,
      split_histogram: histogram,
      mean_split,
      std_split: Math.sqrt(spread / n_measured),
      queue_growth: growth,
      settled: Boolean(have_settled(...growth, n_measured, d_avg, d_max, epsilon, tolerance)),
      samples,
    };
  });
}

// Run a simulation to its end.
function finish(run) {
  let step = run.next();
  while (!step.done) step = run.next();
  return step.value;
}
