// A moment, told as the reader would: "3 s ago", with the whole date and zone on hover.
const tellers = new Set();
let clock = null;

function spoken(ms) {
  if (ms < 86400000) return "before the replay"; // the clock of a driven server begins at 0
  const seconds = (Date.now() + (window.helmSkew || 0) - ms) / 1000;
  const ago = seconds >= -1;
  const size = Math.abs(seconds);
  const units = [[60, "s", 1], [5400, "min", 60], [129600, "h", 3600], [Infinity, "days", 86400]];
  const [, unit, length] = units.find(([limit]) => size < limit);
  const count = Math.max(0, Math.round(size / length));
  if (unit === "s" && count === 0) return "just now";
  // In a replay, what people did lies ahead of the clock on the wall of the recording.
  if (!ago && size >= 60 && document.getElementById("replay")) return dated(new Date(ms));
  return ago ? `${count} ${unit} ago` : `in ${count} ${unit}`;
}

function dated(moment) {
  const today = new Date(Date.now() + (window.helmSkew || 0));
  const time = moment.toLocaleTimeString([], { hour12: false });
  if (today.toDateString() === moment.toDateString()) return time;
  const year = today.getFullYear() === moment.getFullYear() ? undefined : "numeric";
  const day = moment.toLocaleDateString([], { day: "numeric", month: "short", year });
  return `${day} ${time.slice(0, 5)}`;
}

function tell() {
  for (const teller of tellers) teller.tell();
}

export default {
  props: { ms: Number, absolute: Boolean },
  template: '<time :datetime="iso" :title="whole">{{ said }}</time>',
  data: () => ({ said: "" }),
  computed: {
    iso() {
      return new Date(this.ms).toISOString();
    },
    whole() {
      return new Date(this.ms).toLocaleString(undefined, {
        dateStyle: "full", timeStyle: "long",
      });
    },
  },
  watch: { ms() { this.tell(); } },
  created() {
    this.tell();
    tellers.add(this);
    clock = clock || setInterval(tell, 1000);
  },
  beforeUnmount() {
    tellers.delete(this);
  },
  methods: {
    tell() {
      this.said = this.absolute ? dated(new Date(this.ms)) : spoken(this.ms);
    },
  },
};
