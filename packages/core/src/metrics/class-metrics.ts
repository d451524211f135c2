/** The class of the highest score, the first of several. */
export function largestAt(scores: Float32Array): number {
  return scores.reduce((best, score, index) => (score > (scores[best] as number) ? index : best), 0);
}

/** The share of predictions that are right. */
export function accuracy(predicted: ArrayLike<number>, actual: ArrayLike<number>): number {
  let right = 0;
  for (let index = 0; index < actual.length; index++) if (predicted[index] === actual[index]) right++;
  return right / actual.length;
}

interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
}

function confusion(predicted: ArrayLike<number>, actual: ArrayLike<number>, positive: number): Confusion {
  let [truePositives, falsePositives, falseNegatives] = [0, 0, 0];
  for (let index = 0; index < actual.length; index++) {
    const [said, is] = [predicted[index] === positive, actual[index] === positive];
    if (said && is) truePositives++;
    else if (said) falsePositives++;
    else if (is) falseNegatives++;
  }
  return { truePositives, falsePositives, falseNegatives };
}

function f1Of({ truePositives, falsePositives, falseNegatives }: Confusion): number {
  const sum = 2 * truePositives + falsePositives + falseNegatives;
  return sum === 0 ? 0 : (2 * truePositives) / sum;
}

/**
 * F₁ = 2·TP / (2·TP + FP + FN) of one class, by default class 1 as GLUE has it for two (van Rijsbergen 1979;
 * sklearn.metrics.f1_score). 0 where the class is neither there nor predicted.
 */
export function f1(predicted: ArrayLike<number>, actual: ArrayLike<number>, positive = 1): number {
  return f1Of(confusion(predicted, actual, positive));
}

/** The mean of every class's F₁ over the classes that are there or predicted: `average="macro"` of scikit-learn. */
export function macroF1(predicted: ArrayLike<number>, actual: ArrayLike<number>): number {
  const classes = [...new Set([...Array.from(predicted), ...Array.from(actual)])];
  const sum = classes.reduce((total, each) => total + f1(predicted, actual, each), 0);
  return sum / classes.length;
}

/** F₁ over all labels of all rows together, of numbers 0 and 1: `average="micro"` of scikit-learn. */
export function microF1(predicted: readonly ArrayLike<number>[], actual: readonly ArrayLike<number>[]): number {
  const flat = (rows: readonly ArrayLike<number>[]): number[] => rows.flatMap((row) => Array.from(row));
  return f1(flat(predicted), flat(actual));
}

/**
 * Matthews' correlation of classes, for any number of them:
 * (c·s − Σ pₖ·tₖ) / √((s² − Σ pₖ²)·(s² − Σ tₖ²)), with c right of s rows, pₖ predicted and tₖ actual rows of class k
 * (Matthews 1975; Gorodkin 2004; sklearn.metrics.matthews_corrcoef). 0 where one of them has a single class.
 */
export function matthews(predicted: ArrayLike<number>, actual: ArrayLike<number>): number {
  const total = actual.length;
  const said = counts(predicted);
  const is = counts(actual);
  let right = 0;
  for (let index = 0; index < total; index++) if (predicted[index] === actual[index]) right++;
  let [both, saidSquares, isSquares] = [0, 0, 0];
  for (const [key, count] of said) {
    both += count * (is.get(key) ?? 0);
    saidSquares += count ** 2;
  }
  for (const count of is.values()) isSquares += count ** 2;
  const scale = Math.sqrt((total ** 2 - saidSquares) * (total ** 2 - isSquares));
  return scale === 0 ? 0 : (right * total - both) / scale;
}

function counts(values: ArrayLike<number>): Map<number, number> {
  const found = new Map<number, number>();
  for (const value of Array.from(values)) found.set(value, (found.get(value) ?? 0) + 1);
  return found;
}
