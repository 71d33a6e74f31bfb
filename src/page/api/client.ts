/** A refusal of the API: its problem document. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly remedy: string | undefined;

  constructor(status: number, problem: { readonly detail?: string; readonly code?: string; readonly remedy?: string }) {
    super(problem.detail ?? `the answer was ${status}`);
    this.name = 'ApiProblem';
    this.status = status;
    this.code = problem.code ?? 'internal';
    this.remedy = problem.remedy;
  }
}

const TOKEN_KEY = 'shoal.token';
const ANSWER_WITHIN_MS = 15_000;

export interface Answer<T> {
  /** Undefined for 304. */
  readonly body: T | undefined;
  readonly etag: string | null;
}

/** Asks the server that the page came from; the token lives as long as the tab and never stands in a URL. */
export class ApiClient {
  #token = sessionStorage.getItem(TOKEN_KEY) ?? '';

  setToken(token: string): void {
    this.#token = token;
    sessionStorage.setItem(TOKEN_KEY, token);
  }

  forgetToken(): void {
    this.#token = '';
    sessionStorage.removeItem(TOKEN_KEY);
  }

  async get<T>(path: string): Promise<T> {
    return (await this.getChanged<T>(path, null)).body as T;
  }

  async getChanged<T>(path: string, etag: string | null): Promise<Answer<T>> {
    const response = await this.open(path, {
      headers: etag === null ? {} : { 'if-none-match': etag },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (response.status === 304) return { body: undefined, etag };
    return { body: (await response.json()) as T, etag: response.headers.get('etag') };
  }

  /** Anything that changes something; it may take as long as it needs. */
  async send(method: 'PUT' | 'POST' | 'DELETE', path: string): Promise<unknown> {
    const response = await this.open(path, { method, headers: { 'x-shoal-page': '1' } });
    return response.status === 204 ? undefined : response.json();
  }

  /** @throws ApiProblem for everything but 2xx and 304 */
  async open(
    path: string,
    init: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Response> {
    const response = await fetch(path, {
      ...init,
      cache: 'no-store',
      credentials: 'omit',
      headers: { ...init.headers, ...(this.#token === '' ? {} : { authorization: `Bearer ${this.#token}` }) },
    });
    if (response.ok || response.status === 304) return response;
    throw new ApiProblem(response.status, await problemOf(response));
  }
}

/** Slashes may stand as they are, all else is encoded. */
export function modelPath(id: string): string {
  return `v1/models/${id.split('/').map(encodeURIComponent).join('/')}`;
}

async function problemOf(response: Response): Promise<object> {
  try {
    return (await response.json()) as object;
  } catch {
    return {};
  }
}
