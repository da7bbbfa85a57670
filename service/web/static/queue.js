/** Work in order, a few pieces at a time: the service's own queue is short. */
export class Queue {
  #waiting = [];
  #free;

  /** @param {number} width How many at a time. */
  constructor(width) {
    this.#free = width;
  }

  /** @param {() => Promise<void>} work Handles its own errors. */
  add(work) {
    this.#waiting.push(work);
    this.#start();
  }

  #start() {
    while (this.#free > 0 && this.#waiting.length > 0) {
      this.#free -= 1;
      const work = this.#waiting.shift();
      work().finally(() => {
        this.#free += 1;
        this.#start();
      });
    }
  }
}
