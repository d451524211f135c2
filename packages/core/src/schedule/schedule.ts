/**
 * A learning-rate schedule: the factor on the base rate for a step, counted from 0, of a run of `total` steps.
 * Formulas are those of transformers/optimization.py.
 */
export type Schedule = (step: number, total: number) => number;

/** How many steps rise linearly from 0: a count, or a share of the run below 1. */
export type Warmup = number;

function warmupSteps(warmup: Warmup, total: number): number {
  return warmup < 1 ? Math.ceil(warmup * total) : warmup;
}

/** Rises to 1 over the warm-up, then follows `after`: of the steps since, the steps left, and how many there are. */
function withWarmup(warmup: Warmup, after: (since: number, left: number, all: number) => number): Schedule {
  return (step, total) => {
    const rise = warmupSteps(warmup, total);
    return step < rise ? step / Math.max(1, rise) : after(step - rise, total - step, Math.max(1, total - rise));
  };
}

export function constantSchedule(warmup: Warmup = 0): Schedule {
  return withWarmup(warmup, () => 1);
}

/** Falls linearly to 0 at the last step. */
export function linearSchedule(warmup: Warmup = 0): Schedule {
  return withWarmup(warmup, (_, left, all) => Math.max(0, left / all));
}

/** Falls along half a cosine: ½(1 + cos(π · progress)). */
export function cosineSchedule(warmup: Warmup = 0): Schedule {
  return withWarmup(warmup, (since, _, all) => Math.max(0, 0.5 * (1 + Math.cos((Math.PI * since) / all))));
}

/**
 * Slanted triangular rates (ULMFiT, Howard and Ruder 2018, eq. 3): a short linear rise from 1/ratio to 1, a long linear
 * fall back to it; the paper's cut_frac is `warmup`. The fall is spread over the steps that are left, where the paper's
 * own divisor, cut · (1/cut_frac − 1), would reach below 0 when the cut is rounded down.
 */
export function slantedTriangularSchedule(warmup: Warmup = 0.1, ratio = 32): Schedule {
  return (step, total) => {
    const cut = warmup < 1 ? Math.floor(warmup * total) : warmup;
    const height = step < cut ? step / cut : Math.max(0, 1 - (step - cut) / Math.max(1, total - cut));
    return (1 + height * (ratio - 1)) / ratio;
  };
}
