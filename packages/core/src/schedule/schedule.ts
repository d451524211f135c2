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
