/** Runs pieces of work in the order they come, so many at a time; each begins when it is its turn. */
export function createQueue(concurrency: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let free = concurrency;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
