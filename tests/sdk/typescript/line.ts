type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface Exchange {
  method: string;
  path: string;
  status: number;
}

interface Interlude {
  method: string;
  act: () => PromiseLike<unknown>;
}

/** A `fetch` that counts what is sent, can lose an answer, and can let others go first. */
export class Line {
  readonly sent: Exchange[] = [];
  #loseNext = false;
  #interlude: Interlude | undefined;

  /** The next request reaches the server, but its answer never arrives. */
  loseNextAnswer(): void {
    this.#loseNext = true;
  }

  /** Runs `act` right before the next request of that method is sent. */
  beforeNext(method: string, act: Interlude["act"]): void {
    this.#interlude = { method, act };
  }

  async during(act: () => PromiseLike<unknown>): Promise<Exchange[]> {
    const start = this.sent.length;
    await act();
    return this.sent.slice(start);
  }

  readonly fetch: Fetch = async (input, init) => {
    const method = init?.method ?? "GET";
    if (this.#interlude?.method === method) {
      const { act } = this.#interlude;
      this.#interlude = undefined;
      await act();
    }

    const losing = this.#loseNext;
    this.#loseNext = false;
    const response = await fetch(input, init);
    this.sent.push({ method, path: new URL(String(input)).pathname, status: response.status });
    if (losing) {
      await response.arrayBuffer();
      throw new TypeError("the answer was lost");
    }
    return response;
  };
}
