import { axesOf, type Board } from '../report/board.js';
import { paretoChart } from './pareto-chart.js';
import { pictureTheme, renderChart } from './render-chart.js';

/** Quality against one cost of a board as a picture that stands alone (SVG); null where nothing has that cost. */
export async function paretoPicture(board: Board, cost: string): Promise<string | null> {
  const axis = axesOf(board).find(({ name }) => name === cost);
  return axis === undefined ? null : renderChart({ ...paretoChart(board, axis), title: board.title }, pictureTheme);
}
