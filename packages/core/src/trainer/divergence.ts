import { TunesmithError } from '../errors/tunesmith-error.js';

/** When a rising loss ends the run. */
export interface DivergenceLimit {
  /** Steps in a row that must be above the limit. */
  readonly patience: number;
  /** The limit, as a multiple of the first step's loss. */
  readonly factor: number;
}

export const defaultDivergenceLimit: DivergenceLimit = { patience: 5, factor: 3 };

/** That of a policy, whose loss begins near 0 and says nothing of how good it is: no loss is too high. */
export const policyDivergenceLimit: DivergenceLimit = { patience: 5, factor: Number.POSITIVE_INFINITY };

/** What the watch remembers; part of every checkpoint. */
export interface DivergenceMemory {
  readonly firstLoss: number | null;
  readonly stepsAbove: number;
  /** Steps in a row without any gradient. */
  readonly stepsWithoutGradient: number;
}

export const nothingSeen: DivergenceMemory = { firstLoss: null, stepsAbove: 0, stepsWithoutGradient: 0 };

/**
 * Takes one step into account. Throws DIVERGED for a loss or norm that is no number, a loss that stays too high, or
 * gradients that stay zero: activations so large that a norm flattens them leave a finite loss and nothing to learn.
 */
export function watchDivergence(
  memory: DivergenceMemory,
  step: { step: number; loss: number; gradientNorm: number },
  limit: DivergenceLimit,
  lastCheckpoint: number | null,
): DivergenceMemory {
  const { loss, gradientNorm } = step;
  const advice =
    'Lower the learning rate, lengthen the warm-up or clip gradients harder; check the data for broken rows. ' +
    (lastCheckpoint === null
      ? 'No checkpoint was written.'
      : `The last good checkpoint is that of step ${lastCheckpoint}.`);
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
    throw new TunesmithError('DIVERGED', `the ${Number.isFinite(loss) ? 'gradient norm' : 'loss'} is not a number`, {
      where: `step ${step.step}`,
      got: `loss ${loss}, gradient norm ${gradientNorm}`,
      hint: advice,
    });
  }
  const firstLoss = memory.firstLoss ?? loss;
  const stepsAbove = loss > limit.factor * Math.max(firstLoss, 1e-3) ? memory.stepsAbove + 1 : 0;
  if (stepsAbove >= limit.patience) {
    throw new TunesmithError(
      'DIVERGED',
      `the loss has been above ${limit.factor} × its first value for ${stepsAbove} steps`,
      {
        where: `step ${step.step}`,
        expected: `about ${firstLoss.toPrecision(4)} or less`,
        got: loss.toPrecision(4),
        hint: advice,
      },
    );
  }
  const stepsWithoutGradient = gradientNorm === 0 ? memory.stepsWithoutGradient + 1 : 0;
  if (stepsWithoutGradient >= limit.patience) {
    throw new TunesmithError('DIVERGED', `the gradient has been zero for ${stepsWithoutGradient} steps`, {
      where: `step ${step.step}`,
      got: `loss ${loss.toPrecision(4)}`,
      hint: advice,
    });
  }
  return { firstLoss, stepsAbove, stepsWithoutGradient };
}
