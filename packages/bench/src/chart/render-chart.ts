import type { TopLevelSpec } from 'vega-lite';

/** Colours of a chart: of a page, or of a picture that stands alone. */
export interface ChartTheme {
  readonly ink: string;
  readonly grid: string;
  readonly background: string | null;
}

/** Takes the page's own colours, so that it is readable on paper and in the dark. */
export const pageTheme: ChartTheme = { ink: 'currentColor', grid: 'currentColor', background: null };

/** Dark on white, for a README. */
export const pictureTheme: ChartTheme = { ink: '#1c2430', grid: '#1c2430', background: '#ffffff' };

/** A Vega-Lite specification as SVG: nothing of it needs a script or a network where it is shown. */
export async function renderChart(spec: TopLevelSpec, { ink, grid, background }: ChartTheme): Promise<string> {
  // Both take their time to load, and only a report needs them.
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const text = { labelColor: ink, titleColor: ink, labelFontWeight: 'normal', titleFontWeight: 'normal' } as const;
  const config = {
    background: background ?? 'transparent',
    font: 'sans-serif',
    title: { color: ink },
    axis: { ...text, gridColor: grid, gridOpacity: 0.15, domainColor: ink, tickColor: ink },
    header: text,
    legend: text,
    view: { stroke: null },
  };
  const { spec: compiled } = compile(spec, { config });
  const view = new View(parse(compiled), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** An SVG as PNG, twice as many pixels as its size says. */
export async function rasterise(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js');
  return new Resvg(svg, {
    fitTo: { mode: 'zoom', value: 2 },
    font: { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' },
  })
    .render()
    .asPng();
}
