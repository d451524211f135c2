/** Something that has a cost and a quality. */
export interface Point {
  readonly cost: number;
  /** Higher is better. */
  readonly quality: number;
}

/** The points that no other is at least as good as in both and better in one, the cheapest first. */
export function frontierOf<Item extends Point>(points: readonly Item[]): Item[] {
  const isBeaten = (point: Item): boolean =>
    points.some(
      (other) =>
        other.cost <= point.cost &&
        other.quality >= point.quality &&
        (other.cost < point.cost || other.quality > point.quality),
    );
  return points.filter((point) => !isBeaten(point)).sort((a, b) => a.cost - b.cost);
}
