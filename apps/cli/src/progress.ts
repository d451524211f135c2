import type { EvaluateEvent, StepEvent, TrainerEvent } from '@tunesmith/core';
import { formatCount, formatDuration, formatLoss, formatRate, formatShare } from './format.js';
import { type Terminal, warn } from './terminal.js';

export interface Progress {
  event(event: TrainerEvent): void;
  phase(phase: string): void;
  warning(message: string): void;
  /** Wipes the line away. */
  end(): void;
}

/** Steps between two lines where a line cannot be rewritten, in seconds. */
const secondsBetweenLines = 10;

/** Shows a run on stderr: one line that moves, and a line for what stays: evaluations and samples. */
export function createProgress(terminal: Terminal): Progress {
  let steps = 0;
  let firstStep = 0;
  let lastLine = Number.NEGATIVE_INFINITY;
  const write = (line: string): void => (terminal.live ? terminal.status(line) : terminal.note(line));

  const onStep = (event: StepEvent): void => {
    const { step, elapsedSeconds } = event;
    const now = performance.now() / 1000;
    if (!terminal.live && now - lastLine < secondsBetweenLines && step !== steps) return;
    lastLine = now;
    const left = (elapsedSeconds / (step - firstStep)) * (steps - step);
    write(stepLine(terminal, event, steps, left));
  };

  return {
    event(event) {
      if (terminal.json) return terminal.printJson(event);
      switch (event.type) {
        case 'start':
          ({ steps, step: firstStep } = event);
          return terminal.note(startLine(event));
        case 'stage':
          return terminal.note(`stage ${event.name}: training ${formatCount(event.trainedParameters)} parameters`);
        case 'step':
          return onStep(event);
        case 'evaluate':
          for (const line of evaluationLines(terminal, event)) terminal.note(line);
          return;
        default:
      }
    },
    phase(phase) {
      if (!terminal.json) write(terminal.styleNote('dim', `${phase} …`));
    },
    warning(message) {
      if (terminal.json) terminal.printJson({ type: 'warning', message });
      else warn(terminal, message);
    },
    end: () => terminal.status(''),
  };
}

function startLine({ step, steps, trainedParameters, totalParameters }: TrainerEvent & { type: 'start' }): string {
  const share = formatShare(trainedParameters, totalParameters);
  const from = step === 0 ? '' : `, going on after step ${formatCount(step)}`;
  return `training ${formatCount(trainedParameters)} of ${formatCount(totalParameters)} parameters (${share}) for ${formatCount(steps)} steps${from}`;
}

function stepLine(terminal: Terminal, event: StepEvent, steps: number, secondsLeft: number): string {
  const { step, loss, learningRate, tokensPerSecond } = event;
  const facts = [
    `${formatCount(step)}/${formatCount(steps)}`,
    `loss ${formatLoss(loss)}`,
    `lr ${formatRate(learningRate)}`,
    `${formatCount(tokensPerSecond)} tok/s`,
    ...(step < steps ? [`${formatDuration(secondsLeft)} left`] : []),
  ].join('  ');
  if (!terminal.live) return `step ${facts}`;
  const width = Math.min(30, terminal.columns - facts.length - 3);
  if (width < 8) return facts.slice(0, terminal.columns - 1);
  const full = Math.round((width * step) / steps);
  return `${terminal.styleNote('cyan', '━'.repeat(full))}${terminal.styleNote('dim', '━'.repeat(width - full))}  ${facts}`;
}

function evaluationLines(terminal: Terminal, event: EvaluateEvent): string[] {
  const { step, loss, perplexity, metrics, samples, best } = event;
  const perplexed = perplexity === null ? '' : `, perplexity ${formatLoss(perplexity)}`;
  const own = Object.entries(metrics).map(([name, value]) => `  ${name} ${formatLoss(value)}`);
  const mark = best ? terminal.styleNote('green', '  best so far') : '';
  const when = step === 0 ? 'before training' : `step ${formatCount(step)}`;
  return [
    `${when}: held-out loss ${formatLoss(loss)}${perplexed}${own.join('')}${mark}`,
    ...samples.map(
      ({ prompt, text }) => `  ${terminal.styleNote('dim', prompt)} → ${text.trim().replaceAll('\n', '\n  ')}`,
    ),
  ];
}
