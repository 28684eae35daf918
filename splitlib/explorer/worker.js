// Runs the simulation beside the page, so that no slider ever waits for it. The functions that it
// calls in snake_case are splitlib's own, turned into JavaScript; they stand above this text.
//
// A job holds the setting, the costs of the splitting points and the weights V of the trade-off
// curve. The point at the job's own V is always finished and sent first. The curve follows in time
// slices and is given up when a new job arrives; what of it holds for the new job is kept.

const SAMPLES = 400; // of the virtual queues over the slots
const SLICE = 4; // ms of the curve, after which a new job is looked for
const PAUSE = 50; // ms without a new job, after which the curve is begun: not while one drags

let next = null;
let working = false;
let wake = () => {}; // ends a pause
let uniforms;
const filled = {}; // arrays over the slots, by name, and what they follow from
let curve = {}; // the points of the trade-off curve, by V, and what they hold for

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
      const key = curveKey(job);
      prepare(job);
      const point = finish(simulate(job, job.setting.V, job.policies.adaptive));
      postMessage({ kind: "point", job, key, point, milliseconds: performance.now() - start });
      await drawCurve(job, key);
    }
  } finally {
    working = false;
  }
}

// What the curve follows from: all but the V at which the slider stands.
function curveKey({ setting: { V, ...rest }, costs }) {
  return JSON.stringify([rest, costs]);
}

async function drawCurve(job, key) {
  if (curve.key !== key) curve = { key, runs: new Map(), milliseconds: 0 };
  const { adaptive, full_offloading, full_local } = job.policies;
  const plan = [
    ["offloading", 1, full_offloading],
    ["local", 1, full_local],
    ...job.curve_V.map((weight) => [weight, weight, adaptive]),
  ];
  if (curve.runs.size < plan.length) await pause();
  for (const [name, weight, policy] of plan) {
    if (next) return;
    if (curve.runs.has(name)) continue;
    let since = performance.now();
    const run = simulate(job, weight, policy);
    for (let step = run.next(); ; step = run.next()) {
      if (step.done) {
        const { samples, ...numbers } = step.value; // nobody draws the queues of these
        curve.runs.set(name, numbers);
        break;
      }
      if (performance.now() - since < SLICE) continue;
      curve.milliseconds += performance.now() - since;
      await breathe();
      if (next) return;
      since = performance.now();
    }
    curve.milliseconds += performance.now() - since;
  }
  const points = job.curve_V.map((weight) => curve.runs.get(weight));
  const [offloading, local] = [curve.runs.get("offloading"), curve.runs.get("local")];
  postMessage({ kind: "curve", key, points, offloading, local, milliseconds: curve.milliseconds });
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
function* simulate({ setting, costs, n_slots, burn_in, tolerance }, V, policy) {
  const { splits, at_p_max } = policy;
  const n_splits = costs.offload_bits.length;
  const [local_delay, remote_delay, offload_bits, local_energy] = [
    costs.local_delay, costs.remote_delay, costs.offload_bits, costs.local_energy,
  ].map((array) => Float64Array.from(array.slice(...splits)));
  const objective = new Float64Array(local_delay.length);
  const histogram = new Float64Array(n_splits);
  const totals = new Float64Array(N_TOTALS);
  const queues = new Float64Array(2);
  const none = new Float64Array(0);
  const names = ["gain", "availability", "arrivals", "limits"];
  const arrays = names.flatMap((name) => filled[name].arrays);
  const samples = { slot: [0], Z: [0], H: [0] };
  const step = Math.ceil(n_slots / SAMPLES);
  let initial;
  for (const [first, last] of [[0, burn_in], [burn_in, n_slots]]) {
    totals.fill(0);
    histogram.fill(0);
    initial = Array.from(queues);
    for (let start = first; start < last; start += step) {
      const stop = Math.min(start + step, last);
      run_slots(
        ...arrays.map((array) => array.subarray(start, stop)), stop - start,
        local_delay, remote_delay, offload_bits, local_energy, local_delay.length,
        at_p_max, setting.split_by_surrogate, setting.energy_per_slot, V, setting.bandwidth, setting.noise_power, setting.p_min, setting.p_max,
        setting.d_avg, setting.d_max, setting.epsilon, queues, totals,
        histogram.subarray(...splits), objective, false, none, none, none, none, none, none);
      samples.slot.push(stop);
      samples.Z.push(queues[0]);
      samples.H.push(queues[1]);
      yield;
    }
  }
  const n_measured = n_slots - burn_in;
  const growth = [0, 1].map((i) => (queues[i] - initial[i]) / n_measured);
  const { d_avg, d_max, epsilon } = setting;
  const full_local_energy = totals[CHARGED] * costs.local_energy[n_splits - 1];
  const mean_split = histogram.reduce((sum, slots, k) => sum + k * slots, 0) / n_measured;
  const spread = histogram.reduce((sum, slots, k) => sum + slots * (k - mean_split) ** 2, 0);
  return {
    V,
    mean_delay: totals[DELAY] / n_measured,
    outage: totals[OUTAGES] / n_measured,
    mean_energy: totals[ENERGY] / n_measured,
    energy_saving: totals[ARRIVALS] ? 1 - totals[ENERGY] / full_local_energy : NaN,
    split_histogram: Array.from(histogram),
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
