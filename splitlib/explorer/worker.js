// Runs the simulation beside the page, so that no slider ever waits for it. The functions that it
// calls in snake_case are splitlib's own, turned into JavaScript; they stand above this text.
//
// A job holds the setting, the rules of all policies, the weights V of the trade-off curve and the
// names of the chosen rivals. The point at the job's own V is always finished and sent first. Curve
// and rivals follow in time slices and are given up when a new job arrives; every run that was
// finished and still holds for the new job is kept.

const SAMPLES = 400; // of the virtual queues over the slots
const SLICE = 4; // ms in the background, after which a new job is looked for
const PAUSE = 50; // ms without a new job, after which the background begins: not while one drags
const NEWS = 150; // ms after which those rivals are sent that are ready, before all are

let next = null;
let working = false;
let wake = () => {}; // ends a pause
let uniforms;
const filled = {}; // arrays over the slots, by name, and what they follow from
let kept = {}; // runs, by rule and V, and what they hold for

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
      const point = finish(simulate(job, job.policies.adaptive.rules[0], job.setting.V));
      postMessage({ kind: "point", job, key, point, milliseconds: performance.now() - start });
      if (kept.key !== key) kept = { key, runs: new Map() };
      await inSlices(background(job, key));
    }
  } finally {
    working = false;
  }
}

// What all runs follow from, but for their rule and V.
function keyOf({ setting: { V, ...setting }, policies, rivals, ...others }) {
  return JSON.stringify({ setting, ...others, adaptive: policies.adaptive });
}

// Go through a task step by step, and give it up when a new job arrives.
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
  const points = [];
  for (const V of job.curve_V) points.push(yield* keptRun(job, adaptive.rules[0], V));
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

// What takes long comes last.
const effort = ({ choice, rules }) => (choice === "best prices" ? Infinity : rules.length);

// Run all slots, unless that was done before.
function* keptRun(job, rule, V = job.setting.V) {
  const name = JSON.stringify([rule, rule.learns && V]);
  if (!kept.runs.has(name)) {
    const run = simulate(job, rule, V);
    let milliseconds = 0;
    for (let done = false; !done; ) {
      const start = performance.now();
      const step = run.next();
      milliseconds += performance.now() - start;
      done = step.done;
      if (!done) {
        yield;
        continue;
      }
      const { samples, ...numbers } = step.value; // nobody draws the queues of these
      kept.runs.set(name, { ...numbers, milliseconds });
    }
  }
  return kept.runs.get(name);
}

// ---- how a policy chooses among its rules, as in splitlib.policies ----

const CHOICES = {
  *""(job, [rule]) {
    return yield* keptRun(job, rule);
  },
  *"least energy"(job, rules) {
    const runs = [];
    for (const rule of rules) runs.push(yield* keptRun(job, rule));
    const { d_avg, epsilon } = job.setting;
    return runs[least_energy(...means(runs), runs.length, d_avg, epsilon)];
  },
  *"least delay"(job, rules) {
    const runs = [];
    for (const rule of rules) runs.push(yield* keptRun(job, rule));
    return runs.reduce((best, run) => (run.mean_delay < best.mean_delay ? run : best));
  },
  // `splitlib.lower_bound`, then `splitlib.policies.clairvoyant`.
  *"best prices"(job, [rule]) {
    const { d_avg, epsilon } = job.setting;
    const at = (...prices) => keptRun(job, { ...rule, prices });
    const fastest = yield* at(0, 1, 0);
    if (fastest.mean_delay > d_avg || fastest.outage > epsilon) {
      return { ...fastest, infeasible: true };
    }
    const tried = [fastest, yield* at(1, 0, 0)];
    const trial = new Float64Array(2);
    let [best, prices] = [-Infinity, [0, 0]];
    for (let i = 0; i < 200; i++) {
      const height = ceiling(...means(tried), tried.length, d_avg, epsilon, trial);
      const run = yield* at(1, ...trial);
      const value = run.mean_energy
        + (trial[0] * (run.mean_delay - d_avg) + trial[1] * (run.outage - epsilon));
      if (value > best) [best, prices] = [value, [...trial]];
      if (height - best <= 1e-6 * height) break;
      tried.push(run);
    }
    for (let doubling = 0; doubling < 30; doubling++) {
      const run = yield* at(1, ...prices);
      const missed = [run.mean_delay > d_avg, run.outage > epsilon];
      if (!missed.includes(true)) return run;
      prices = prices.map((price, i) => (missed[i] ? price * (1 + 1e-7 * 2 ** doubling) : price));
    }
    return fastest;
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

// Let messages in. A timer would wait for 4 ms.
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

// Fill the arrays of the trace and the limits of the rate, each only when what it follows from has
// changed.
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
    rate_limits(filled.gain.arrays[0], n_slots, noise_power, p_max, ...limits));
}

// Run all slots, a few at a time; what is returned at the end has the names of splitlib's Result.
function* simulate({ setting, split_names, n_slots, burn_in, tolerance }, rule, V) {
  const { rate, learns } = rule;
  const costs = rule.costs.map((values) => Float64Array.from(values));
  const n_options = rule.splits.length;
  const [energy_price, delay_price, outage_price] = rule.prices;
  const deadline = setting[rule.deadline];
  const stage_limit = rule.stage_limit ? setting[rule.stage_limit] : null;
  const by_surrogate = setting.split_by_surrogate && rate === "surrogate";
  const objective = new Float64Array(n_options);
  const options = new Float64Array(n_options);
  const totals = new Float64Array(N_TOTALS);
  const queues = new Float64Array(2);
  const none = new Float64Array(0);
  const names = ["gain", "availability", "arrivals", "limits"];
  const arrays = names.flatMap((name) => filled[name].arrays);
  const samples = { slot: [0], Z: [0], H: [0] };
  const step = Math.ceil(n_slots / SAMPLES);
  let initial = [0, 0];
  // What does not learn has nothing to learn in the burn-in.
  for (const [first, last] of [[learns ? 0 : burn_in, burn_in], [burn_in, n_slots]]) {
    totals.fill(0);
    options.fill(0);
    initial = Array.from(queues);
    for (let start = first; start < last; start += step) {
      const stop = Math.min(start + step, last);
      run_slots(
        ...arrays.map((array) => array.subarray(start, stop)), stop - start, ...costs, n_options,
        rate === "p_max", rate === "exact" || null, learns, by_surrogate, setting.energy_per_slot,
        learns ? V : energy_price, delay_price, outage_price, deadline, stage_limit,
        setting.bandwidth, setting.noise_power, setting.p_min, setting.p_max,
        setting.d_avg, setting.d_max, setting.epsilon, queues, totals,
        options, objective, false, none, none, none, none, none, none);
      samples.slot.push(stop);
      samples.Z.push(queues[0]);
      samples.H.push(queues[1]);
      yield;
    }
  }
  const n_measured = n_slots - burn_in;
  const growth = [0, 1].map((i) => (queues[i] - initial[i]) / n_measured);
  const { d_avg, d_max, epsilon } = setting;
  const full_local_energy = totals[CHARGED] * setting.full_local_energy;
  const histogram = split_names.map(() => 0);
  rule.splits.forEach((split, option) => (histogram[split] += options[option]));
  const mean_split = histogram.reduce((sum, slots, k) => sum + k * slots, 0) / n_measured;
  const spread = histogram.reduce((sum, slots, k) => sum + slots * (k - mean_split) ** 2, 0);
  return {
    V,
    mean_delay: totals[DELAY] / n_measured,
    outage: totals[OUTAGES] / n_measured,
    mean_energy: totals[ENERGY] / n_measured,
    energy_saving: totals[ARRIVALS] ? 1 - totals[ENERGY] / full_local_energy : NaN,
    split_histogram: histogram,
    mean_split,
    std_split: Math.sqrt(spread / n_measured),
    queue_growth: growth,
    settled: Boolean(have_settled(...growth, n_measured, d_avg, d_max, epsilon, tolerance)),
    samples,
  };
}

// Run a simulation to its end.
function finish(run) {
  let step = run.next();
  while (!step.done) step = run.next();
  return step.value;
}
