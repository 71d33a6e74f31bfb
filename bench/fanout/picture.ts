import type { Course, Round } from './course.ts';
export function drawSpread(_course: Course, round: Round): string {
  return `<svg>${round.nodes.length}</svg>`;
}
