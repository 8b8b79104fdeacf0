/*
 * How many tokens of o200k_base a character alone is, for each UTF-16 code unit from U+0080 on; halves of pairs count one. Each sign
 * stands for a run: 29 signs for runs of one token of the lengths 1 to 29, then 29 of two tokens and 29 of three. A blank begins a long run:
 * a digit for its tokens, and three digits of base 36 for how far its length exceeds 87.
 */
const RUNS = [
  '#Q%D#F@@#A@4A%A%A#C%A#A%A#A#C#A#A#C%C#A#B#A#A#B&A#A#B#A#B&D&A*A#B$A#A#A#A#A#A#A,O$A#F#F$M$^#^^O&^X#A$B#A#A#Y#^^K',
  '$I#S#A$^E&B#A%A#V#C#E#^^]#A#A#C#C5A*B&A@#^U$A(E#A@@)A/A$^S#A$C#A%C%A#C#A#A#A*A%B$A#A#X$G#A#D$E#G#^P#K(B,C*A(A(D#',
  'A$B@-A#^I#C)B#A$P>G%W#N#C#A=E8K0C#H,A+A$A#A#A#A$A%N%A#A#C#A#D%A#A$A#B%B&A#A#A$Z-C$ 204r 300oAsAdA|fA||pAaB%A)D%A',
  '9A-A(B+A#A%A%J#B&E0P%A%A#E#C#A7A*A#C&B#A)C$B&M$A#F/E#J#B(E$B#A&A#A$A%A)A*A#B$A$B#A(D$B%M$J$G$P$A(E#C#A&A&A-A*A$A',
  '(D)A#A%A%X-V$M#A#A&B#A#A)A#A%A#A$B&D&E#C#A#Q#^H%A#D#C#B#C$A#A$C$C%C+A%D(C%A$A#^W#B(D$E%B#A#B#A#A)A*A$A(D)B%A&H#^',
  'N$A(D#A#A#B&A#A#B-A*A$A(D)B%A&G$O%Y#B(D#A#A$A)A#A&A)A3D)B%A$A#I#^E(C#B#K#B#E#A#B$A#D#A#A#A(A$A)A#B)D#D)A#A%A$^F$',
  'A#A)A(A6A6F(A+C$^^L#X# 2001# 2003# 2003fAfAnA|a%A&B#D&A/A#C#E,B,A/A#A#J#^F%G#F$C$^^@&O 301iAcA|{A|iAj 2089 303dA',
  'jAmAkA|mA|zAiAfAbAbA||qAeA 3030B|rA||nA|yAbA|iA|iAzA||p%A$A#A$C2B&S,A1A$A#A#A$H-W 300oAsAdA|fA||pAaApA 300mAaA|k',
  'A|eA 3045AyA||xA|eAbB||sA 303kA 3018^^F{A|fAiA 3004AnA_AdS#Q#W#C#A#A#A#C#O#F$I#C#^Q-A(A#A#A(A#A*A%A(A*A,A,A#A#A%',
  'A#C#A#F#O#^^E#^B#E%GxAxAcAfV#O#O#K$A#C,A%B%A*A#A#A#A*A$E&^F#B#^A#^J#A#L#^L#^B#R#K#C#^]$B#O#G#S&^^D#^P#E#K#F$C#I#',
  '^B#[$E# 203h||aA 3030^C( 201w&X#F#^O$E#E#^E#C#C#B#E%L$H%E$B$B#A$H$C#B$^X$G#^H#E#E#A#^A#C$C$^^ZcAbA|iAnE#M$S#^^A#',
  '^^B#^A_A|eAlAk# 300oAsAdA|fA||pAaApA 300mAaA|kA|eA 3045AyA|i^^Fo#bA#||sA 303kA 3018AoA||oA|fAiA 3004AnA_A||nA||p',
  'AyAoA 301bAoA||iAxAcAfAfAfAnA|a%B#A/A%E#^G$A#A%A;A,A*A(A6A#B$M&A?A$A)A@&A#C$A#D%^^O#C#B#Q$^Al#cA|{A|iAj^^F|vA 30',
  '1gAqA 300hAb^D#^A 301lAjAmAkA|mA|zAiAfAbAbA||qAeA 3030B|rA||nA|yAbA|iA|iAzA||{A_A|uA|eAlAkA 300oAsAdA|fA||pAaApA',
  ' 300mAaA|kA|eA 3045AyA||xA|eAbB||sA 303kA 3018AoA||oA|fAiA 3004AnA_A||nA||pAyAoA 301bAoA||iAxAcAfAfAfAnA 3038AkA',
  '||hA 301kAcA|{A|iA|eArA||lA 301gAqA 300hA 303gAjAmAkA|mA|zAiAfAbAbA||qAeA 3030B|rA||nA|yAbA|iA|iAzA||{A_A|uA|eAl',
  'AkA 300oAsAdA|fA||pAaApA 300mAaA|kA|eA 3045AyA||xA|eAbB||sA 303kA 3018AoA||oA|fAiA 3004AnA_Ad$A#C(A$D$A#A#A#A$F%',
  'A#A#B#B#A#A#A#A&A$D#A#B$A$A#A#C#B%C#A%D#I$A#J#C#C#A$A$A$A$A$D$B#B#B#A$A#A&C#G#D%C#D$A$D&A$I%D#A#E#C$C#A#C#H#B#A#',
  'A#E&B#A$C#A#H$C#C#C#I#F&B#A#C#A$C#B#E#I#K#F#D#O#A#B$A#C#G#E#I#B%E#L#E#C#L#B#H#P#A#C$F#E#A#B#F#N#A#A#H#G#J#A#H#N#',
  'A$G#E#S#N#C#F#C#U#A#E#^F#J#^H#T#A#A&A$A#A#B%A#E#J#A%A%B$A)B%G$A#A#A$D#F#A$C#K#C#A$A#A#C#D#E#B#B#B#M#B$B#A#F#A$G#',
  'A$A#B#E$B#F$D(A#B#C$C#A#D#E%A$F#D#B#B#C#R#B#A$D#B#B#Q#S#B&F%F%E#E#G#J#B#C#C#A#B#A#Z#E#P$A#^B%D$A#C$A#C$B*A#E%D#C',
  '#D$A$B$I#B$B#A#I#B#A#D#F#A#R#C#B$D*B#B#A%J&C%B$A$B%J$C%A%A$C#A#C#B$F%B$B#D#C$A#B#A#G#A#M#I#E#J#A#E%M$I#Q#A#V#F#D',
  '#S#C$C#B#D#^#^$A#T#C#D#U$C#Y#E#M#C$P#G$V#^C#Y#D#L#X#J#]#K# 200r#B#A#A$I#B#A%E#B$G#A#B#F#C#A#F#C#D#G#B#F#C#A#A#D#',
  'B#D%E#B$A#C#D#C#X#G#^Z#J#E#J#Y$G#^A#O#B$[#B#C#E#L#W#O#C#A#D#I#X#E#^F#B#A#A#Q#B#A#C#A#E$C#A#B#B#D#A%B#B#B#D$L%A#C',
  '#A#B#A$M#M$A&C#D#D$J#B#B#D#O#J#A#J#D#D$A$E#A#K#V#A#A#C#P#B$T#T#S#K#P#Z#^C#I#C$I#]#^B#^^L#C$A%E#C$A#B#N#H#A#A#A%A',
  '$B#G$A#A,F#B#D$A#B#C%D#A#E#E$I#A#F#A#B#J#A(A$A$A#A%A$A%A#B#A#C#B#F#L#F#A#A*B#D$C#E#H#F#I#A#O#U#C#E#G#C#E#D#^K#N#',
  'E#W#^T{A|fAiA|u^$B#C&E#B$A#F#E%A#B#C#C#E#F#H#D#A&B#B#A#D#G#O#]%A#A#B%A#C$A#C#D#C%A#D#B#F$C#A#I#Q#Y#R$B#E#A%E#D#E',
  '#A$F$P#C#A#A$W$A#L#C#B#F$G#A$C$B$B#B$C#A#D#F#B#G$C#D$B#E#E#A$F#I%B#C#F#C#I#G#B$L#C#B$F#C#C#A#B#P#O#D#A#O#F#E#F#R',
  '#U$B#B#A#A#G#R#D#F#J#C#G#F#C#[#K#C#^B#H#B#B#S#D#H#^^W#F#^Y#N&C#A#M#C#E#A#A#A%B#C$J#A$B%A#B#J#C#A#A$C$D#B#D%I#H#A',
  '#A$C#A#C#A$E#E#C#F$G$B#C#D%A#A#B$B#E#B$B#F#H#A$A$D#A#G#O#A#A#I#J#Z#I#B#K#H#K#D$B#E#H#E$B#A$A#G#V#E$A#H#E#K#F#Z#L',
  '#A#M$L#I#A$P#P#N#J#M$K#E#H$I#Q#B#L#K#^Y#Q#F#B#A#B$E#B#C#B#A#E#A#H$B#E#C#C$B#N#O#A#J#H#A$H#B$C#C#E#C#G#H#A#B(B$H#',
  'C#G#C#E#A#D$J$D#B#D#A#L#A#C#H#F$F#M#E%C#A#C#G#D#I#D$P#E#E#^J$R#A#A#C$B#A%B#D$A#A#I#C#A#A#H#A&A#A#H#E#A$B#B#D&J#B',
  '#A#C#B#D#A%L$A#B#K#F#B#A$L#K#M#J$B$G#H#K#A$F#K#C#C#A#E#I#H#L%B#E$B#A#C#D#Q#A#P#J#C#W#H#A#F$O#J#F#G#S#^A#D#I#^^C#',
  'R#G#F$D#Y#^Q#L#^G#D#P#E#G#A#F#^C#S#Y#D#^^GwA|iJ#U&C#J#G#C#J#B#F#M)B#H%B#C#N$J#^A#D#F#C#G%B#A$E#O#^F#A#B#B#K#C#L#',
  'C#H$D#A#M#G%B#U#B#C#A#D$H#C#B#E#A$G#H#E#A#C#A#B#D$J#E#E$B#B#G#B#I#C#I#K#C#B#F#D#G#H#B#B#C$D#B#D#H#I#B$C#E#B#P$I#',
  'E#A#J#A$E#B#B#^E#H#I#E#E#C#I#B#G#J#D$G#B#B#H#^#A#^H%O#E#S#^C#E#H#F#B#C#K#J#B#L#D#M#H#^K#C#C#P$^U#Q#L# 2023#G#A#A',
  '$D#H#J#D#C#[#I%A#K#V#F$E#^V#D#O#E#O#L#J#B#^E#T#Q#Q#Q#I#^I#^L$C&D#I$C#L#A#E$D#A#H#F#^U#B#F#K#M#F#H#K#K#C#Q#L$M$B#',
  'E#^^I#K#B#A#A#J#D#M#E$A#H#Q#R#L#P#D#B#^F#H$^L#^G#^O#^N#F#B#O#^D#A#A#B#B$D#G&A#A$A$I#F#L#K#D$D#E#O#J#E#S#C#B#I#A#',
  'F#A#S# 200f#I#^P(E#A$^I#W#A#A#E%C%B#C#C$I#E#C#E#B#G#A$R$[#C#Z#E#A#^^N#^[#C#C#E#K#A$Q#A#^#K#T#V#A#^A$B#^A#I#A#D#^',
  'I#^^W#A#A#W#F$F#B#D#S#M#W#S#A$A$I#A#C$E#F#F#H$J#O#A$^B#B#A#K#F#F#^I#A#C#D#A#K#I#E#G#^H#M#D%D#I#F#B#W#B#Q#E#Y#B#A',
  '#E#B#A#D#^#D#A#V#I#K#C#N#F#A#^G#^U#^N#^H#G#M#H#D#L#I#O#V$^G#D#C$G#F#D$E#A#D#C#C$H#H#A#G#C#P#D#J$C#]#F#R#D#]#B#G#',
  'E#G#[#^L#N$B#^^P#S#A#C$B#A#B#B$A#A%C#A#C$A%D#A#A#A#A#B$B$A#G#A$B#F#G#B#S#B#A#P#J#E#V#E#B#N$C#C#R#D#C#O#E#D#S#C#J',
  '#E#A#K#Z$C$A#A#F#C#F#[#V#A#G#C#A#C#K#D#B#D#K#E#B#I#J#B$C#E#B#G#H#B#E#A#G#E#A#B#T#A#D#D#N#H#V#F#W#D#Z#B#E#D$]#^C#',
  'B#^E#F#B#E$E#L$D#D#A#B#F$J#A#C#H#M#^J#B$C#B#C#C#Z#N#B#A#A#D#D#O#A#A#E#M$J#Q#^U#A#P#F#A#N#A#K#G#Q#D#D#J#L#E$D#T#O',
  '#R#B#Q#G#P#G#B#C#P#K#M#C#E#A#^A#V#X#^M#^^I#^J#^B#Z#^D#C#A#^E#M#F# 200i#A$C#D#D#K#M#C#^^O#C#O#^I#Y# 2002#IjA_#|t^',
  '^G||d#K#F#C#C#E#A#A#B#^E#J#E#N#A#S$B#I#E#C#B$F#S#D# 200l#T#A#D#D#C#F#C#L#B#H#I#B%A#A#A$H#P#B#Y#A#E#A#C#I#Q#B#C#A',
  '#F#A#X#H#C#C#J#A#U#B$J#E#K#A$B#A#L#G#C#J#^^J#A#^N#N#M#I#F#H#I#H#M$A#C$C&A#E#A#C&B#A#A%B#C#C#A#B#B#D#B$F#A#A#B#B$',
  'A$B#B#A#D#B#G#H#E#E#H#E#N#C#V#H#N#R#S$F$B#J$B$C#F#V#K#Q#^C#A#A+B#A#A#D$A%G#B#F$B#D#A#C$B#A#A#A#F#D#C&M#D$W#O#O#H',
  '#D#K#A#H#F#C#A#Y#Y$^^]#^L#^A#B#T#Z#E#E#^C#D#H#P#]#A$B#A$D#F#A#E#A$B#G#A#B#D#B#D#B#A#G%F$A%B#C#A$E#A$B#C$A(J$D#F#',
  'A#C#B&B#B$D$A#A#D$D$B#M$E#B$E#D#B$A$D%A#H#B#A#C#C$F#B#F$C#L#Q#B#C#C#L#R#B#V#D#G#G#^^U#D#^G$P#H#X#[#B#A&A# 200r#^',
  'R#K# 2018#^M#B#^^H#^^X#^^U#^^X#]#V#B#B#H#B#I#E#A#X#P#H#C#C#A$C#E#D#H#G#D#G#X#T#Z#G$H#A#G#N#N$^L#K#A#B$C#A#F#E#C#',
  'Y#J#G(D#C#D%A#C$B#Q#A#D$E#D%B#B#H#C#C%C#F$^D#A#C%J#C#C#D#C$D#A#K$C#D#F#E#P#S#E#Y#C#B#D#A#A#F#Vj#_A|tS#U#I#K#A%A$',
  'A#G#G#T#M$O$F#C#E#V$B%B$D#A#J#D%C$J#^H#L#B$O#B#W#E#W#^^J$A#U#A#M#B#N#C#X#^^S#^^I#T#C$D#D#B#M#D#E#B#I#C#G#^F#C# 2',
  '00c#E#B#I#D#E# 200e 302t#bA#Z#[#^O#[oA||oA|fAiA 3004AnA_Ad^B#A#A#I#Q#E#I#^C#N#W#G#F#T$F$I#B$E#E#^R#D#L#Z#T#Q#^D#',
  'H#K#^JfAfAnA 3038AkA||hA 301kAcA|{A|iA|eArA||lA 301gAqA 300hA 303gAjAmAkA|mA|zAiAfAbAbA||qAeA 3030B|rA||nA|yAbA|',
  'iA|iAzA||{A_A|uA|eAlAkA 300oAsAdA|fA||pAaApA 300mAaA|kA|eA 3045AyA||xA|eAbB||sA 3004$B#C#G%B#C#B$^^X#C#C#G$A#H#S',
  '#G$B#C#K$F#[$B#C#J#A#F#C#P#^E#[#[$B#C#K_#i#|u#[#C#W$B#C#G$^I#C#C#G#K#G#S#WoAyAo#bX#[#^^Qb#oA||iAxAc#fAf#fAnA|a^^',
  'J#G#G#H#^A#O#K#C#C#G$B#G#C#C#K#G#T#^E#G#G#K#R#H$B#K#D#^E#C#C#L#D$^OkA|iAjD#C#^Z|v#jP#C#C#L#^E$B#K#D#F$B#B$G$A#A#',
  'F#R#^^F$B#K#K#G#G||eD$B#C#L#^E#S#G#C#C#G$^I#G#^J|f#z]$B#C#J#A#^E#T#F#OdAe#|u^C#C#[||u#A|rA||b^^FcAbA|iAn^K#R#^^F',
  '$B#K$C#F$B#K$A#I#S#^E$B#C#G$I%B#N#H$B#C#G$B$F#[$B#C#H#A#PdAdA|f#nL#[#O$ 2007#G#S#C#C#G#^J$B#C#G$A#A#F$B#A#A#J#A$',
  'E$B#^^U$B#C#S#C#W#C#P#A#^C$B#C#G#B#DwA|i^W#C#C#CoAbB||s#z#^Z#C#C#L#A#D%A#B$G#D#F$N||aAbD#C#C#G$J#C#C#T#B#C#L#^E$',
  'B#C#L#F#S#[{A|e$B#C#P#^^]#[#G#^R#C#C#L#A#D#^BoAyAoA 301bAoA||iAxAcAfAfAf#nA 3008X#C#^^U$B#C#G#D#F$S#W#^I$B#C#H#C',
  '#F#C#C#S#C#C#K#^F$B#C#L#^E#^Z#[$B#C#G#^^I#P#J#[#C#C#G$A#A#^E$B#C#G$C#D#A#HqA|n^K#W 303dAjAmAkA|mA|zAiAf#b#bAf#^J',
  '$B#W$B#A#A#G$B$D#A$B#C#S$S#^E$B#C#G(G#C#C#S$B#C#G#C$F#[$B#C#H#J#C#O$F#[#[$S#F$B#C#G#B#H#C#C#K#G#P#J#C#W$B#C#L#F#',
  'C#C#G#D#F#[$B#C$F$B#G$B#C#G$C#F#S_#|eAlAk$B#C#G$C#F$B#W#S#^F$B#K#D#E$^Z#[#[$B#C#L#F#^J||dI#C#C#G#D#^E$B#C#G$A#A#',
  'F$Z#G||e^^F||b#yA||xA|eAbB||sA 3004L$Z$B#A#A#G#D$E$^^X$B#C#G#B#A#F#[#S#^F$B#P#^E{#|eT$B#C#G#D#F#O|j#nA_Ad^C$S#^E',
  '$B#C#G#D#F#G#S#^^Y#C#C#G$J#R#H#^Z#C#C#L#VxAxAcAf^C# 200o#[#C#C#G#^J#C#C#L#F$B#C#L#F$^^X#C#C#S$B#C#G#^^I$B#P#JkA|',
  'i#j^O#S|vAj#[#[$B#C#^R$B#K#D#F#C#C#S$B#S||a#bX#[#C#P#F#[$B#C#G#C||uAj#mAk#f#G#D#^U|Ai#fAbAbAfD#C#C#^R$B#C#J#A#F$',
  'B#C#G$C#F#S$[#^E#C#K#K#[$B#C#H#C#F#[$B#C#G#D#F$B#C#L#^E$Z#Wc#b#|iA|i#z#j^D#C#F#[#C#K#^J_A|eAlAk 11ih^^F 300lAkA|',
  '|hA 301kAcA|{A|iA|eArA||lA 301gAqA 300hA 303gAjAmAkA|mA|zAiAfAbAbA||qAeA 302k^^FaA||nA|yAbA|iA|iAzA||{A_A|uA|eAl',
  'AkA 300oAsAdA|fA||pAa^X#K||dAaA|kA|eA 3045AyA||xA|eAbB||sA 303kA 3018AoA||oA|fAiA 3004AnA_A||nA||pAyAoA 301bAoA|',
  '|iAxAcAfAfAfAnA|a 2028#O#^C#^F#C 301iAcA|{A|iA|eArA||lA 301gAqA 300hA 303gAjAmAkA|mA|zAiAfAbAbA||qAeA 3030B|rA||',
  'nA|yAbA|iA|iAzA||{A_A|uA|eAlAkA 300oAsAdA|fA||pAaApA 300mAaA|kA|eA 3045AyA|iA#^^DoAbB||sA 303kA 3018^^F{A|fAiA 3',
  '004AnA_AdN$ 204a#C$A@%C#A&A%F)D#G#I#D#A#B#A%I$A#V#R#A$^^I#A#V$B',
].join('')
const SIGNS = '#$%&()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~'
const LENGTHS = 29
const FIRST = 0x80

/** Returns how many tokens each UTF-16 code unit is by itself. */
export function tokensAlone(): Uint8Array {
  const all = new Uint8Array(0x1_00_00).fill(1)
  let code = FIRST
  for (let at = 0; at < RUNS.length; at++) {
    const isLong = RUNS[at] === ' '
    const sign = SIGNS.indexOf(RUNS[at] ?? '')
    const tokens = isLong ? Number(RUNS[at + 1]) : 1 + Math.floor(sign / LENGTHS)
    const length = isLong ? 3 * LENGTHS + Number.parseInt(RUNS.slice(at + 2, at + 5), 36) : 1 + (sign % LENGTHS)
    all.fill(tokens, code, code + length)
    code += length
    if (isLong) at += 4
  }
  return all
}
