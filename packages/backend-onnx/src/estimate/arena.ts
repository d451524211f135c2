/** A part of a region, in use or free. */
interface Chunk {
  readonly region: number;
  readonly start: number;
  size: number;
  free: boolean;
}

/** A part of a region that was written to, and so takes memory. */
interface Span {
  start: number;
  end: number;
}

export interface Arena {
  allocate(bytes: number): Chunk;
  release(chunk: Chunk): void;
  /** Bytes that were ever in use: the system backs a page when it is first written to, and the arena gives none back. */
  touchedBytes(): number;
}

const unit = 256;
const firstRegion = 2 ** 20;
const largestRegion = 2 ** 30;
/** The most that a chunk may be larger than asked for without being split, if it is not twice as large. */
const mostDead = 128 * 2 ** 20;

/**
 * ONNX Runtime's arena as far as its sizes go (BFCArena in onnxruntime/core/framework/bfc_arena.cc): best fit, neighbours
 * that are free are joined, regions double. What does not fit into a gap leaves it unused, so that a session takes more
 * than its values at their peak.
 */
export function createArena(): Arena {
  const regions: { chunks: Chunk[]; touched: Span[] }[] = [];
  let nextRegion = firstRegion;

  function extend(bytes: number): Chunk {
    const fits = bytes <= nextRegion;
    while (nextRegion < bytes) nextRegion *= 2;
    const chunk: Chunk = { region: regions.length, start: 0, size: nextRegion, free: true };
    regions.push({ chunks: [chunk], touched: [] });
    if (fits) nextRegion = Math.min(nextRegion * 2, Math.max(largestRegion, nextRegion));
    return chunk;
  }

  function bestFit(bytes: number): Chunk | undefined {
    let best: Chunk | undefined;
    for (const { chunks } of regions) {
      for (const chunk of chunks) {
        if (chunk.free && chunk.size >= bytes && (best === undefined || chunk.size < best.size)) best = chunk;
      }
    }
    return best;
  }

  return {
    allocate(asked) {
      const bytes = Math.max(unit, Math.ceil(asked / unit) * unit);
      const chunk = bestFit(bytes) ?? extend(bytes);
      const { chunks, touched } = regions[chunk.region] as (typeof regions)[number];
      if (chunk.size >= 2 * bytes || chunk.size - bytes >= mostDead) {
        const rest = { region: chunk.region, start: chunk.start + bytes, size: chunk.size - bytes, free: true };
        chunks.splice(chunks.indexOf(chunk) + 1, 0, rest);
        chunk.size = bytes;
      }
      chunk.free = false;
      touch(touched, { start: chunk.start, end: chunk.start + bytes });
      return chunk;
    },
    release(chunk) {
      const { chunks } = regions[chunk.region] as (typeof regions)[number];
      chunk.free = true;
      const index = chunks.indexOf(chunk);
      join(chunks, index);
      join(chunks, index - 1);
    },
    touchedBytes: () => regions.flatMap(({ touched }) => touched).reduce((sum, { start, end }) => sum + end - start, 0),
  };
}

/** Joins a chunk with the one after it, if both are free. */
function join(chunks: Chunk[], index: number): void {
  const [chunk, next] = [chunks[index], chunks[index + 1]];
  if (chunk?.free !== true || next?.free !== true) return;
  chunk.size += next.size;
  chunks.splice(index + 1, 1);
}

function touch(spans: Span[], span: Span): void {
  const apart = spans.filter(({ start, end }) => end < span.start || start > span.end);
  for (const { start, end } of spans) {
    if (end < span.start || start > span.end) continue;
    span.start = Math.min(span.start, start);
    span.end = Math.max(span.end, end);
  }
  spans.splice(0, spans.length, ...apart, span);
}
