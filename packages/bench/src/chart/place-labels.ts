/** A mark in a unit square, and what is to be written beside it. */
export interface LabelledPoint {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  /** Whether a line leaves the mark to the right. */
  readonly hasLine: boolean;
}

/** Where a label's left end is, in the same units; null where there is no room for it. */
export type LabelPlace = { readonly x: number; readonly y: number } | null;

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Pixels of a letter, of a line, and from a mark to its label. */
const [letter, line, gap] = [5.6, 11, 6];

/**
 * Labels that cover neither marks nor each other: beside the mark, above or below it, whatever is free first. Earlier points
 * choose first.
 */
export function placeLabels(points: readonly LabelledPoint[], width: number, height: number): LabelPlace[] {
  const boxOf = (x: number, y: number, radius: number): Box => ({
    left: x - radius,
    right: x + radius,
    top: y - radius,
    bottom: y + radius,
  });
  const taken = points.map(({ x, y }) => boxOf(x * width, y * height, 3));
  return points.map(({ x, y, text, hasLine }): LabelPlace => {
    const size = letter * text.length;
    const [left, middle] = [x * width, y * height];
    const [before, after, centred] = [left - gap - size, left + gap, left - size / 2];
    const beside = [
      [after, middle],
      [before, middle],
    ] as const;
    const around = [
      [centred, middle + line],
      [centred, middle - line],
      [before, middle + line],
      [after, middle - line],
      [after, middle + line],
      [before, middle - line],
    ] as const;
    const starts = hasLine ? [...around, ...beside.toReversed()] : [...beside, ...around];
    for (const [start, centre] of starts) {
      const box: Box = { left: start, right: start + size, top: centre - line / 2, bottom: centre + line / 2 };
      const isInside = box.left >= 0 && box.right <= width && box.top >= 0 && box.bottom <= height;
      if (!isInside || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      return { x: start / width, y: centre / height };
    }
    return null;
  });
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
