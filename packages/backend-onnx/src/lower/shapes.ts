import { type Shape, tf } from '@tunesmith/core';

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The shape two operands broadcast to. Throws where they do not. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  return tf.broadcast_util.assertAndGetBroadcastShape([...a], [...b]);
}

/** Axes from 0 to rank − 1, ascending. `undefined` and null mean all of them. */
export function normalAxes(axis: unknown, shape: Shape): number[] {
  return tf.util.parseAxisParam(axis as number | number[], [...shape]).sort((a, b) => a - b);
}

/** One axis from 0 to rank − 1. */
export function normalAxis(axis: unknown, shape: Shape): number {
  const value = axis as number;
  return value < 0 ? value + shape.length : value;
}

/** A shape without some of its axes, or with 1 in their place. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  return keepDims
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
}

/** 0, 1, … n − 1. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
