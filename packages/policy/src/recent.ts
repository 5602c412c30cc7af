/** The answers to the most recent questions, at most `capacity` of them. */
export class Recent<Answer> {
  readonly #answers = new Map<string, Answer>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#answers.size;
  }

  /** Long questions are not kept: who asks chooses their length. */
  get(question: string, answer: () => Answer): Answer {
    const known = this.#answers.get(question);
    if (known !== undefined) {
      this.#answers.delete(question);
      this.#answers.set(question, known);
      return known;
    }
    const fresh = answer();
    if (question.length > 1024) return fresh;
    this.#answers.set(question, fresh);
    if (this.#answers.size > this.#capacity)
      for (const oldest of this.#answers.keys()) {
        this.#answers.delete(oldest);
        break;
      }
    return fresh;
  }
}
