/** How many ranks the modules may keep, and when that is decided: peft/tuners/adalora/layer.py, RankAllocator. */
import { type Control, type Named, TunesmithError } from '@tunesmith/core';
import type { AdaloraConfig } from './config.js';

type Schedule = Pick<AdaloraConfig, 'tinit' | 'tfinal' | 'deltaT' | 'initRank' | 'targetRank'>;

/**
 * Ranks that all modules together keep after a step, counted from 1, of `steps`: all of them up to tinit, the target after
 * the last but tfinal, and between them a cubic fall (Zhang et al. 2023, eq. 12; rounded down, as PEFT does).
 */
export function budgetAt(step: number, steps: number, modules: number, schedule: Schedule): number {
  const { tinit, tfinal } = schedule;
  const [first, last] = [modules * schedule.initRank, modules * schedule.targetRank];
  if (step <= tinit) return first;
  if (step > steps - tfinal) return last;
  const left = 1 - (step - tinit) / (steps - tfinal - tinit);
  return Math.trunc((first - last) * left ** 3 + last);
}

/** Refuses a run that takes no rank away, or has no step left to do so. @throws CONFIG_INVALID */
export function checkSchedule(steps: number, { tinit, tfinal, initRank, targetRank }: Schedule): void {
  if (targetRank >= initRank) {
    throw new TunesmithError('CONFIG_INVALID', 'there is no rank to take away', {
      where: 'adalora.targetRank',
      expected: `less than initRank = ${initRank}`,
      got: String(targetRank),
      hint: 'For one rank throughout, use LoRA.',
    });
  }
  if (tinit < steps - tfinal) return;
  throw new TunesmithError('CONFIG_INVALID', 'no step is left in which ranks could be taken away', {
    where: 'adalora.tinit, adalora.tfinal',
    expected: `tinit + tfinal below the run's ${steps} steps`,
    got: `${tinit} + ${tfinal}`,
    hint: 'Lower either of them, or train for longer.',
  });
}

/** What a step does, as numbers that the host sets before it. */
export function budgetControls(modules: number, schedule: Schedule): Named<Control> {
  const { tinit, tfinal, deltaT } = schedule;
  const control = (value: (step: number, steps: number) => boolean | number): Control => ({
    shape: [],
    check: (steps) => checkSchedule(steps, schedule),
    value: ({ step, steps }) => Number(value(step + 1, steps)),
  });
  return {
    budget: control((step, steps) => budgetAt(step, steps, modules, schedule)),
    /** Sensitivities are followed until the last allocation. */
    follow: control((step, steps) => step < steps - tfinal),
    allocate: control(
      (step, steps) => step === steps - tfinal || (step > tinit && step < steps - tfinal && step % deltaT === 0),
    ),
    /** From then on, what was taken away stays so. */
    hold: control((step, steps) => step > steps - tfinal),
    steps: control((_, steps) => steps),
  };
}
