/** Runs jobs in order, a few at a time: the queue of the service is short. */
export class Queue {
  #waiting = [];
  #free;

  /** @param {number} concurrency */
  constructor(concurrency) {
    this.#free = concurrency;
  }

  /** @param {() => Promise<void>} job Must handle its own errors. */
  add(job) {
    this.#waiting.push(job);
    this.#start();
  }

  #start() {
    while (this.#free > 0 && this.#waiting.length > 0) {
      this.#free -= 1;
      const job = this.#waiting.shift();
      job().finally(() => {
        this.#free += 1;
        this.#start();
      });
    }
  }
}
