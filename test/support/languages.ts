import { createHash } from 'node:crypto'

/** Texts of mail, each in a script or of a kind that tokenizers treat differently, by name. */
export const TEXTS: ReadonlyMap<string, string> = new Map([
  [
    'English',
    'Hi Bo, thanks for the notes from yesterday. I moved the review to Thursday at 10:30, because the supplier needs another day for the drawings. Could you check the numbers on page four, and tell Marie whether the second budget line still holds? If not, we should talk before the board meets. I attached the contract, with both appendices. Best regards, Ana',
  ],
  [
    'Danish',
    'Kære Søren, tak for din henvendelse vedrørende ændringerne i lejekontrakten. Vi har gennemgået bilagene og foreslår, at overtagelsesdagen udskydes til den første i måneden. Vedhæftet finder du en opdateret tidsplan samt referatet fra bestyrelsesmødet. Giv gerne besked senest på onsdag, så håndværkerne kan nå at blive færdige før åbningen. Med venlig hilsen, Åse Nørgård',
  ],
  [
    'German',
    'Sehr geehrte Frau Müller, vielen Dank für Ihre ausführliche Rückmeldung zur Geschäftsführerbesprechung. Die Überarbeitung der Leistungsbeschreibung verzögert sich leider um zwei Wochen, weil uns die Genehmigungsunterlagen der Straßenverkehrsbehörde noch nicht vorliegen. Könnten Sie bitte prüfen, ob der Zahlungsaufschub rechtzeitig beschlossen wird? Mit freundlichen Grüßen, Jörg Weiß',
  ],
  [
    'French',
    "Bonjour Hélène, je vous remercie de votre réponse d'hier. Le procès-verbal de la réunion a été envoyé à tous les participants, mais l'annexe numéro trois manquait ; vous la trouverez ci-jointe. Pourriez-vous vérifier que le règlement intérieur a bien été approuvé à l'unanimité ? Bien cordialement, François Lefèvre",
  ],
  [
    'Polish',
    'Dzień dobry Pani Małgorzato, dziękuję za przesłanie zaświadczenia. Niestety księgowość wciąż czeka na potwierdzenie przelewu, dlatego przesunęliśmy spotkanie na przyszły czwartek. Proszę o sprawdzenie, czy załączniki są kompletne i czy wszyscy współpracownicy otrzymali zaproszenie. Z poważaniem, Łukasz Wiśniewski',
  ],
  [
    'Turkish',
    'Sayın Ayşe Hanım, göndermiş olduğunuz teklifi inceledik ve düzeltilmesi gereken bazı bölümler olduğunu gördük. Sözleşmenin imzalanabilmesi için güncellenmiş ödeme planına ihtiyacımız var. Çarşamba gününe kadar değerlendirmelerinizi iletebilirseniz çok seviniriz. Saygılarımızla, Gökhan Yıldız',
  ],
  [
    'Vietnamese',
    'Kính gửi anh Nguyễn, cảm ơn anh đã gửi lại hợp đồng. Chúng tôi đã kiểm tra các điều khoản thanh toán và đề nghị dời cuộc họp sang chiều thứ năm tuần sau. Nhờ anh xác nhận giúp trước khi kế toán chuyển khoản lần cuối. Trân trọng, Phạm Thị Hồng',
  ],
  [
    'Russian',
    'Здравствуйте, Екатерина Сергеевна! Благодарим за своевременное предоставление документов. К сожалению, согласование приложения к договору задерживается, поэтому предлагаем перенести совещание на следующий четверг. Пожалуйста, проверьте, все ли участники получили приглашение. С уважением, Алексей Воробьёв',
  ],
  [
    'Greek',
    'Αγαπητή κυρία Παπαδοπούλου, σας ευχαριστούμε για την άμεση απάντηση. Η επόμενη συνάντηση του διοικητικού συμβουλίου μεταφέρεται για την Πέμπτη, επειδή λείπουν ακόμη τα απαραίτητα δικαιολογητικά. Παρακαλούμε επιβεβαιώστε τη συμμετοχή σας. Με εκτίμηση, Γιώργος',
  ],
  [
    'Japanese',
    '鈴木様、お世話になっております。先日ご依頼いただいた見積書の修正版を添付いたしましたので、ご確認をお願いいたします。納期につきましては、部品の入荷が遅れているため、来週の木曜日まで延期させていただけないでしょうか。ご不便をおかけして申し訳ございません。会議室の予約は田中がカレンダーに登録済みです。何卒よろしくお願い申し上げます。',
  ],
  [
    'Chinese',
    '王经理您好，附件是修改后的合同草案，请您审阅第三条关于付款方式的规定。由于供应商推迟交货，我们建议把项目评审会议改到下周四下午两点。如果财务部门没有其他意见，我们将在本周五之前完成盖章并寄出原件。麻烦您尽快回复，谢谢！祝工作顺利。',
  ],
  [
    'traditional Chinese',
    '陳小姐您好，感謝您昨天的來信。關於贊助合約的續約條件，我們已經與總公司討論過，預計下星期會有進一步的說明。請您協助確認與會者名單，並將場地租借的發票一併寄到會計部門。若有任何疑問，歡迎隨時與我聯繫。敬祝 順心，林怡君',
  ],
  [
    'Korean',
    '김 과장님 안녕하세요. 보내 주신 견적서를 검토한 결과 두 번째 항목의 단가가 작년 계약과 다른 것을 확인했습니다. 회의 일정은 다음 주 목요일 오후 세 시로 변경되었으니 참석 가능 여부를 알려 주시면 감사하겠습니다. 첨부 파일에 수정된 일정표가 있습니다. 감사합니다. 박지훈 드림',
  ],
  [
    'Arabic',
    'السيد أحمد المحترم، تحية طيبة وبعد. نشكركم على إرسال المستندات المطلوبة في الوقت المحدد. نود إبلاغكم بأن اجتماع مجلس الإدارة قد تأجل إلى يوم الخميس القادم بسبب تأخر الموردين في تسليم البضائع. نرجو منكم مراجعة شروط الدفع في الصفحة الرابعة وتأكيد الحضور. وتفضلوا بقبول فائق الاحترام والتقدير.',
  ],
  [
    'Hebrew',
    'שלום רב דנה, תודה על המסמכים ששלחת אתמול. לצערנו אישור התקציב מתעכב, ולכן הישיבה הועברה ליום חמישי בשעה עשר בבוקר. נא לבדוק אם כל המשתתפים קיבלו את ההזמנה ולעדכן את מחלקת הנהלת החשבונות לפני סוף השבוע. בברכה, יעל כהן',
  ],
  [
    'Thai',
    'เรียนคุณสมชาย ขอบคุณสำหรับเอกสารที่ส่งมาเมื่อวานนี้ ทางบริษัทได้ตรวจสอบใบเสนอราคาแล้วพบว่ายอดรวมในหน้าที่สองไม่ตรงกับสัญญาเดิม จึงขอเลื่อนการประชุมเป็นวันพฤหัสบดีหน้าเวลาสิบโมงเช้า กรุณาแจ้งรายชื่อผู้เข้าร่วมประชุมภายในวันพุธ ขอแสดงความนับถือ',
  ],
  [
    'Hindi',
    'आदरणीय शर्मा जी, कल भेजे गए दस्तावेज़ों के लिए धन्यवाद। आपूर्तिकर्ता की देरी के कारण समीक्षा बैठक अगले गुरुवार तक स्थगित कर दी गई है। कृपया भुगतान की शर्तों की जाँच करें और बताएँ कि क्या सभी सदस्यों को निमंत्रण मिल गया है। सादर, प्रिया',
  ],
  [
    'Mongolian',
    'Эрхэм Болд оо, өчигдөр илгээсэн баримт бичигт баярлалаа. Нийлүүлэгч саатсан тул хяналтын хурлыг ирэх долоо хоногийн пүрэв гараг хүртэл хойшлуулахаар болсон. Гэрээний төлбөрийн нөхцөлийг дахин шалгаж, бүх гишүүд урилга хүлээн авсан эсэхийг мэдэгдэнэ үү. Хавсралтад шинэчилсэн төлөвлөгөө байгаа. Хүндэтгэсэн, Сарангэрэл',
  ],
  [
    'Swahili',
    'Ndugu Juma, asante kwa nyaraka ulizotuma jana. Kwa sababu msambazaji amechelewa, tumeahirisha mkutano wa tathmini hadi Alhamisi ijayo saa nne asubuhi. Tafadhali hakikisha kwamba wajumbe wote wamepokea mwaliko, na uangalie masharti ya malipo katika ukurasa wa nne wa mkataba. Nimeambatanisha ratiba mpya pamoja na kumbukumbu za kikao. Wako mwaminifu, Neema',
  ],
  [
    'Finnish',
    'Hyvä Päivi, kiitos eilen lähettämistäsi asiakirjoista. Toimittajan myöhästymisen vuoksi siirsimme katselmuskokouksen ensi viikon torstaihin kello kymmeneksi. Voisitko tarkistaa, ovatko kaikki osallistujat saaneet kutsun, ja vahvistaa maksuehdot sopimuksen neljänneltä sivulta? Liitteenä on päivitetty aikataulu sekä pöytäkirja. Ystävällisin terveisin, Jyrki Hämäläinen',
  ],
  [
    'Hungarian',
    'Kedves Zsófia, köszönöm a tegnap elküldött dokumentumokat. A beszállító késése miatt a felülvizsgálati értekezletet jövő csütörtökre halasztottuk. Kérem, ellenőrizze, hogy minden résztvevő megkapta-e a meghívót, és egyeztesse a fizetési feltételeket a szerződés negyedik oldalán. Üdvözlettel, Szabó György',
  ],
  [
    'Czech',
    'Vážená paní Dvořáková, děkuji za zaslané podklady. Kvůli zpoždění dodavatele jsme kontrolní schůzku přesunuli na příští čtvrtek v deset hodin. Prosím o ověření, zda všichni účastníci obdrželi pozvánku, a o potvrzení platebních podmínek na čtvrté straně smlouvy. S pozdravem, Jiří Růžička',
  ],
  [
    'Indonesian',
    'Yth. Bapak Budi, terima kasih atas dokumen yang dikirimkan kemarin. Karena keterlambatan pemasok, rapat peninjauan ditunda hingga Kamis pekan depan pukul sepuluh pagi. Mohon diperiksa apakah semua peserta sudah menerima undangan serta ketentuan pembayaran pada halaman empat kontrak. Hormat kami, Dewi',
  ],
  [
    'Zulu',
    'Sawubona Thabo, siyabonga ngemibhalo oyithumele izolo. Ngenxa yokubambezeleka komphakeli, umhlangano wokubuyekeza uhlehliselwe kuLwesine oluzayo. Sicela uqinisekise ukuthi wonke amalungu asitholile isimemo, futhi ubheke imibandela yokukhokha ekhasini lesine lenkontileka. Ozithobayo, Nomvula',
  ],
  [
    'Basque',
    'Kaixo Maite, eskerrik asko atzo bidalitako dokumentuengatik. Hornitzailearen atzerapena dela eta, berrikuspen-bilera datorren ostegunera atzeratu dugu. Mesedez, egiaztatu partaide guztiek gonbidapena jaso dutela eta begiratu ordainketa-baldintzak kontratuaren laugarren orrialdean. Ondo izan, Iñaki',
  ],
  [
    'Persian',
    'جناب آقای رضایی، با سپاس از ارسال مدارک. به دلیل تأخیر تأمین‌کننده، جلسهٔ بازبینی به پنجشنبهٔ هفتهٔ آینده موکول شد. لطفاً بررسی کنید که همهٔ اعضا دعوت‌نامه را دریافت کرده‌اند و شرایط پرداخت در صفحهٔ چهارم قرارداد درست است. با احترام، مریم کریمی',
  ],
  [
    'Tamil',
    'அன்புள்ள குமார், நேற்று அனுப்பிய ஆவணங்களுக்கு நன்றி. விநியோகஸ்தரின் தாமதம் காரணமாக ஆய்வுக் கூட்டம் அடுத்த வியாழக்கிழமைக்கு ஒத்திவைக்கப்பட்டுள்ளது. அனைத்து உறுப்பினர்களும் அழைப்பைப் பெற்றார்களா என்பதை உறுதிப்படுத்தவும். இப்படிக்கு, லட்சுமி',
  ],
  ['a long URL', `See ${tracking(1)} and ${tracking(2)} or ${tracking(3)}`],
  ['base64', digestsOf(12, 'base64').join('')],
  ['base64url', digestsOf(12, 'base64url').join('')],
  ['hexadecimal', digestsOf(12, 'hex').join(' ')],
  [
    'digits',
    digestsOf(8, 'hex')
      .join('')
      .replace(/[a-f]/g, letter => `${letter.charCodeAt(0) % 10}`),
  ],
  [
    'figures',
    'Invoice 2026-11-30: 1,204.50 EUR + 25 % = 1,505.63 EUR; IBAN DK50 0040 0440 1162 43; call +45 70 10 20 30 (08:30-16:00), ref. 7731-0092/4.',
  ],
  ['emoji', 'Done 🎉🎉 see you 👩‍👩‍👧‍👦 at the 🏖️ on 🗓️ 👍🏽 🇩🇰🇯🇵 ❤️‍🔥 😀😅🤣🥲🫠🙃 ✅❌⚠️ 🏳️‍🌈 🧑🏿‍💻 🍕🍷 🚀✨'],
  [
    'rules',
    `${'='.repeat(72)} ${'-'.repeat(40)} ${'*'.repeat(40)} ${'_'.repeat(60)} -- > > > | | | .......... ~~~ #### ***`,
  ],
  [
    'capitals',
    'URGENT: PLEASE READ THE ATTACHED NOTICE. YOUR ACCOUNT NEEDS VERIFICATION BEFORE FRIDAY OR ACCESS ENDS. QXZVB KJWPT',
  ],
  [
    'code',
    String.raw`if (a[i] != NULL && *p++ == '\0') { printf("%s\n", (char*)x->y); } // C:\Users\ana\a.txt <a href="x?y=1&amp;z=2">`,
  ],
])

function tracking(n: number): string {
  const [campaign = '', person = '', link = ''] = digestsOf(3, 'base64url', `link ${n}`)
  return `https://click.mail.example.com/ls/click?upn=${campaign}-2B${person}&utm_source=newsletter&utm_campaign=nov_2026_${n}&uid=${link}%3D%3D`
}

function digestsOf(count: number, encoding: 'base64' | 'base64url' | 'hex', seed = encoding as string): string[] {
  return Array.from({ length: count }, (_, n) => createHash('sha256').update(`${seed} ${n}`).digest(encoding))
}
